// Collectives, and the dispatch and combine of expert parallelism.
#include <algorithm>
#include <cmath>

#include "calibrate/kernel_model.hpp"

namespace moesaic {
namespace {

/// Of `places` that are chosen `times` at random: how many are chosen at least once.
double expected_distinct(double places, double times) { return places * -std::expm1(times * std::log1p(-1 / places)); }

}  // namespace

CollectiveKind measured_collective(std::string_view kernel) {
  for (std::size_t i = 0; i < kCollectiveKindCount; ++i) {
    if (kernel.starts_with(name(static_cast<CollectiveKind>(i)))) {
      return static_cast<CollectiveKind>(i);
    }
  }
  return kernel.starts_with("send") ? CollectiveKind::send_receive : CollectiveKind::all_to_all;
}

KernelPoint collective_point(const KernelSetting& setting, const ShapeValues& shape) {
  const double bytes = shape[0], ranks = std::max(2.0, shape[1]);
  const double nodes = std::max(1.0, ranks / std::max(1.0, shape[2]));
  const Collective collective{measured_collective(setting.kernel), Bytes{bytes}, static_cast<int>(ranks)};
  const WireBytes wire = wire_bytes(collective, static_cast<int>(nodes), false);
  KernelPoint point;
  point.terms.memory = wire.scale_up.value * setting.machine.link_seconds_per_byte;
  point.terms.compute = wire.network.value * setting.machine.network_seconds_per_byte;
  point.terms.steps = ranks - 1;
  point.features = {static_cast<float>(bytes), static_cast<float>(ranks), static_cast<float>(bytes / ranks),
                    static_cast<float>(bytes * (ranks - 1)), static_cast<float>(shape[2])};
  return point;
}

KernelPoint expert_exchange_point(const KernelSetting& setting, const ShapeValues& shape) {
  const double hidden = shape[0], top_k = shape[1], experts = shape[2], ranks = std::max(2.0, shape[3]);
  const double nodes = std::max(1.0, shape[4]), multiprocessors = shape[5], tokens = shape[6];
  const bool combines = setting.kernel.find("combine") != std::string_view::npos;
  const bool low_latency = setting.kernel.starts_with("low_latency");
  // Dispatch sends fp8 with a scale for 128 elements, combine bf16.
  const double row = hidden * (combines ? 2 : 1 + 4.0 / 128);
  // Normal kernels send a token once to every rank that holds one of its experts, and once to every other node; those
  // of low latency once for every expert (DeepEP, README.md and csrc/kernels).
  const double to_ranks = low_latency ? top_k : expected_distinct(ranks, top_k);
  const double copies = tokens * to_ranks * (ranks - 1) / ranks;
  const double abroad =
      nodes < 2 ? 0 : tokens * (low_latency ? top_k : expected_distinct(nodes, top_k)) * (nodes - 1) / nodes;
  const double bytes = copies * row;
  KernelPoint point;
  point.terms.memory = bytes * setting.machine.link_seconds_per_byte;
  point.terms.compute = abroad * row * setting.machine.network_seconds_per_byte;
  // Multiprocessors that are set aside for communication copy at a rate of their own; kernels of low latency wait for
  // the last of all ranks.
  point.terms.steps = multiprocessors > 0 ? bytes / multiprocessors : std::log2(ranks);
  point.features = {static_cast<float>(hidden),
                    static_cast<float>(top_k),
                    static_cast<float>(experts),
                    static_cast<float>(ranks),
                    static_cast<float>(nodes),
                    static_cast<float>(multiprocessors),
                    static_cast<float>(tokens),
                    static_cast<float>(copies),
                    static_cast<float>(bytes),
                    static_cast<float>(tokens * hidden),
                    static_cast<float>(tokens * top_k / experts),
                    static_cast<float>(multiprocessors > 0 ? bytes / multiprocessors : 0),
                    static_cast<float>(abroad * row),
                    static_cast<float>(tokens * top_k)};
  return point;
}

}  // namespace moesaic
