// Fused routed experts on one rank: every expert that a token chose reads its weights and pads its rows to tiles.
#include <algorithm>
#include <cmath>

#include "calibrate/kernel_model.hpp"

namespace moesaic {
namespace {

/// The largest power of two up to 256 that divides a width: kernels step through it in such blocks and mask what is
/// left.
double alignment(double width) {
  double power = 1;
  while (power < 256 && std::fmod(width, 2 * power) == 0) {
    power *= 2;
  }
  return power;
}

/// Expected tiles of `block` rows an expert. Equal loads fill ceil(mean / block); loads that differ leave the last tile
/// of each half empty on average.
double tiles_of(double mean, double largest, double block) {
  const double unequal = std::clamp(largest / mean - 1, 0.0, 1.0);
  return (1 - unequal) * std::ceil(mean / block - 1e-9) + unequal * std::max(1.0, mean / block + 0.5);
}

/// vLLM's and SGLang's fused experts keep a row for every pair of the whole group, also for those of other ranks, which
/// they fill with zeros, activate and sum like the rest (vllm, fused_moe.py: intermediate_cache1 and
/// write_zeros_to_output; fused_marlin_moe.py). The grouped products of CUTLASS permute the rank's own rows together
/// first.
bool passes_all_pairs(std::string_view kernel) {
  return kernel.find("triton") != std::string_view::npos || kernel.find("marlin") != std::string_view::npos;
}

ExpertLoad measured_load(const KernelSetting& setting, const ShapeValues& shape) {
  const bool wide = setting.family == Family::wide_ep_moe;
  const RoutedGroup group{shape[8], shape[2], shape[3], wide ? shape[5] : shape[6]};
  const double skew = wide ? shape[6] : shape[7];
  if (wide && shape[7] > 0) {
    return copied_load(group, skew, shape[4]);
  }
  return skew > 0 ? skewed_load(group, skew) : balanced_load(group);
}

}  // namespace

KernelPoint moe_point(const KernelSetting& setting, const ShapeValues& shape) {
  return routed_point(setting, shape, measured_load(setting, shape));
}

KernelPoint routed_point(const KernelSetting& setting, const ShapeValues& shape, const ExpertLoad& load) {
  const bool wide = setting.family == Family::wide_ep_moe;
  const double hidden = shape[0], top_k = shape[2], experts = shape[3], tokens = shape[8];
  const double matrices = wide ? 3 : shape[4], tensor = wide ? 1 : shape[5], ranks = wide ? shape[5] : shape[6];
  const double held = wide ? shape[4] / ranks : experts / ranks;
  const double inter = shape[1] / tensor;
  const KernelMachine& machine = setting.machine;
  const KernelFormats& formats = setting.formats;
  const double per_expert = load.rows / load.distinct;
  const double expert_weights = matrices * hidden * inter;
  const double flops = 2 * load.rows * expert_weights;
  // Kernels choose tiles of 16 to 128 rows by the mean load.
  const double block = per_expert > 48 ? 64 : 16;
  const double tiles = load.distinct * tiles_of(per_expert, load.largest, block);
  const double padded = 2 * tiles * block * expert_weights;
  const double weight_bytes = load.distinct * expert_weights * formats.weight_bytes;
  // Products read and write rows of their own; activation and weighted sum pass over the rows in between.
  const double passed = passes_all_pairs(setting.kernel) ? tokens * top_k : load.rows;
  const double moved_bytes =
      2 * (load.rows * (hidden + inter) + passed * ((2 * matrices - 1) * inter + 2 * hidden) + 2 * tokens * hidden);
  const double wide_tiles = load.distinct * tiles_of(per_expert, load.largest, 128);
  const double blocks = wide_tiles * ceil_div(inter * (matrices - 1), 128) / machine.multiprocessors;

  KernelPoint point;
  point.terms.compute =
      std::max(flops, padded) * machine.seconds_per_flop[static_cast<std::size_t>(formats.arithmetic)];
  point.terms.memory = (weight_bytes + moved_bytes) * machine.seconds_per_byte;
  point.terms.steps = load.distinct;
  point.terms.footprint = weight_bytes;
  point.features = {static_cast<float>(tokens),
                    static_cast<float>(hidden),
                    static_cast<float>(inter),
                    static_cast<float>(top_k),
                    static_cast<float>(load.largest),
                    static_cast<float>(held),
                    static_cast<float>(ranks),
                    static_cast<float>(load.largest / per_expert),
                    static_cast<float>(alignment(inter)),
                    static_cast<float>(load.rows),
                    static_cast<float>(per_expert),
                    static_cast<float>(load.distinct),
                    static_cast<float>(weight_bytes),
                    static_cast<float>(flops),
                    static_cast<float>(blocks),
                    static_cast<float>(moved_bytes)};
  return point;
}

}  // namespace moesaic
