// Fused routed experts on one rank: every expert that a token chose reads its weights and pads its rows to tiles.
#include <algorithm>
#include <cmath>

#include "calibrate/kernel_model.hpp"

namespace moesaic {
namespace {

/// Rows and distinct experts of the measured rank.
struct RankLoad {
  double rows = 0;
  double distinct = 0;
};

/// Balanced: tokens go round-robin over all experts. Otherwise experts' loads fall like a power law, and the measured
/// rank holds the most loaded ones: the first of Zipf's sequence that fit on it.
RankLoad rank_load(double tokens, double top_k, double experts, double ranks, double skew) {
  const double pairs = tokens * top_k, held = std::max(1.0, experts / ranks);
  if (skew <= 0) {
    return {pairs / ranks, std::min(held, std::max(1.0, pairs / ranks))};
  }
  // Sums of i^-skew by the integral, the first term apart.
  const auto sum = [skew](double n) {
    return std::abs(skew - 1) < 1e-6 ? 1 + std::log(n) : 1 + (std::pow(n, 1 - skew) - 1) / (1 - skew);
  };
  // Loads of a few largest experts cannot exceed one row a token.
  const double share = std::max(1 / ranks, std::min(sum(held) / sum(experts), held / top_k));
  const double rows = pairs * share;
  const double mean = rows / held;
  return {rows, std::max(1.0, held * -std::expm1(-mean))};
}

}  // namespace

KernelPoint moe_point(const KernelSetting& setting, const ShapeValues& shape) {
  const bool wide = setting.family == Family::wide_ep_moe;
  const double hidden = shape[0], top_k = shape[2], experts = shape[3], tokens = shape[8];
  const double matrices = wide ? 3 : shape[4], tensor = wide ? 1 : shape[5], ranks = wide ? shape[5] : shape[6];
  const double skew = wide ? shape[6] * (shape[7] > 0 ? 0.25 : 1) : shape[7];
  const double held = wide ? shape[4] / ranks : experts / ranks;
  const double inter = shape[1] / tensor;
  const KernelMachine& machine = setting.machine;
  const KernelFormats& formats = setting.formats;
  const RankLoad load = rank_load(tokens, top_k, experts, ranks, skew);
  const double per_expert = load.rows / load.distinct;
  const double expert_weights = matrices * hidden * inter;
  const double flops = 2 * load.rows * expert_weights;
  const double tile = per_expert > 48 ? 64 : 16;
  const double padded = 2 * load.distinct * ceil_div(per_expert, tile) * tile * expert_weights;
  const double weight_bytes = load.distinct * expert_weights * formats.weight_bytes;
  const double moved_bytes = load.rows * (2 * hidden + 2 * (matrices - 1) * inter + inter) * 2 + tokens * hidden * 4;
  const double blocks = load.distinct * ceil_div(per_expert, 128) * ceil_div(inter * (matrices - 1), 128);

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
                    static_cast<float>(experts),
                    static_cast<float>(held),
                    static_cast<float>(ranks),
                    static_cast<float>(skew),
                    static_cast<float>(tokens * top_k),
                    static_cast<float>(load.rows),
                    static_cast<float>(per_expert),
                    static_cast<float>(load.distinct),
                    static_cast<float>(weight_bytes),
                    static_cast<float>(flops),
                    static_cast<float>(blocks / machine.multiprocessors),
                    static_cast<float>(moved_bytes)};
  return point;
}

}  // namespace moesaic
