// Collectives, and the dispatch and combine of expert parallelism.
#include <algorithm>

#include "calibrate/kernel_model.hpp"
#include "model/operator.hpp"

namespace moesaic {

KernelPoint collective_point(const KernelSetting& setting, const ShapeValues& shape) {
  const double bytes = shape[0], ranks = std::max(2.0, shape[1]);
  const double others = (ranks - 1) / ranks;
  const bool reduces = setting.kernel.starts_with("all_reduce");
  const double wire = setting.kernel.starts_with("send") ? bytes : bytes * others * (reduces ? 2 : 1);
  KernelPoint point;
  point.terms.memory = wire * setting.machine.link_seconds_per_byte;
  point.terms.steps = ranks - 1;
  point.features = {static_cast<float>(bytes), static_cast<float>(ranks), static_cast<float>(bytes / ranks),
                    static_cast<float>(bytes * (ranks - 1)), static_cast<float>(shape[2])};
  return point;
}

KernelPoint expert_exchange_point(const KernelSetting& setting, const ShapeValues& shape) {
  const double hidden = shape[0], top_k = shape[1], experts = shape[2], ranks = std::max(2.0, shape[3]);
  const double nodes = shape[4], multiprocessors = shape[5], tokens = shape[6];
  const bool combines = setting.kernel.find("combine") != std::string_view::npos;
  // Dispatch sends fp8 with a scale for 128 elements, combine bf16.
  const double row = hidden * (combines ? 2 : 1 + 4.0 / 128);
  const double copies = tokens * top_k * (ranks - 1) / ranks;
  KernelPoint point;
  point.terms.memory = copies * row * setting.machine.link_seconds_per_byte;
  point.terms.steps = ranks;
  point.features = {static_cast<float>(hidden),
                    static_cast<float>(top_k),
                    static_cast<float>(experts),
                    static_cast<float>(ranks),
                    static_cast<float>(nodes),
                    static_cast<float>(multiprocessors),
                    static_cast<float>(tokens),
                    static_cast<float>(copies),
                    static_cast<float>(copies * row),
                    static_cast<float>(tokens * hidden),
                    static_cast<float>(tokens * top_k / experts)};
  return point;
}

}  // namespace moesaic
