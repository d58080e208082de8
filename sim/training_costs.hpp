// What the layers of a training step cost on one rank, for one micro-batch: what mappings and sizes of batches share.
#pragma once

#include <array>
#include <vector>

#include "calibrate/cost_model.hpp"
#include "model/mapping.hpp"
#include "model/routing.hpp"
#include "model/training_operators.hpp"

namespace moesaic {

/// Time of one pass over a layer. Communication that runs beside computation counts as far as it takes longer.
struct PassTimes {
  Seconds compute{};
  Seconds tensor{};
  Seconds context{};
  Seconds expert{};

  Seconds communication() const { return tensor + context + expert; }
  Seconds total() const { return compute + communication(); }
  PassTimes& add(const PassTimes& other, double times);
};

/// Seconds that each resource is busy at its peak rate.
struct PeakDemand {
  double arithmetic = 0;
  double memory = 0;
  double scale_up = 0;
  double network = 0;

  PeakDemand& add(const PeakDemand& other, double times);
  double longest() const;
};

/// One layer, or the sum of several: forward, recomputed and backward pass for one micro-batch.
struct LayerCosts {
  std::array<PassTimes, kPassCount> passes{};
  PeakDemand demand;   ///< routing even
  Seconds path{};      ///< computing operators but gradients of weights, one after another at peak rates, routing even
  Flops flops{};       ///< of products, as done
  Flops recomputed{};  ///< of them, again
  Bytes kept{};
  Bytes working{};
  double dense_parameters = 0;
  double expert_parameters = 0;

  const PassTimes& of(Pass pass) const { return passes[static_cast<std::size_t>(pass)]; }
  LayerCosts& add(const LayerCosts& other, double times);  ///< working memory: the larger
};

/// Every distinct layer of a network, and its ends.
struct NetworkCosts {
  LayerCosts input;
  LayerCosts output;
  std::vector<LayerCosts> kinds;
  Seconds transfer{};  ///< of one micro-batch's activations to the next pipeline stage
};

/// What costs depend on, of mapping and training. Data parallelism is left out: its communication is the predictor's.
struct CostKey {
  int tensor = 1, context = 1, expert = 1, expert_slices = 1;
  int transfer_nodes = 0;  ///< that two neighbouring pipeline stages' ranks are on; 0: one stage
  bool sequence = false, ring = false, clustered = false, unfused = false;
  std::int64_t micro_batch = 1, tokens = 1;
  Recompute recompute = Recompute::none;
  double capacity_factor = 0;
  bool operator==(const CostKey&) const = default;
};
CostKey cost_key(const Mapping& mapping, const Training& training, const Machine& machine, bool has_experts);
struct CostKeyHash {
  std::size_t operator()(const CostKey& key) const;
};

/// `routing`: of every layer kind, null where it has no experts.
NetworkCosts network_costs(const Architecture& architecture, const Precision& precision, const MachineView& view,
                           const CostModel& cost, const std::vector<const RankLoadTable*>& routing,
                           const Mapping& mapping, const Training& training);

/// Share of a unit's multiprocessors that communication beside computation takes: 20 of them, as DeepSeek-V3's
/// (2412.19437 section 3.2.2; 2505.09343).
double communication_share(const MachineView& view);
/// What communication of `time` adds to the computation of `hiding` beside which it runs, on what it leaves.
Seconds exposed_beside(Seconds time, Seconds hiding, double share);

/// One operator on its own, on this machine.
Seconds operator_seconds(const Operator& op, const MachineView& view, const CostModel& cost);
/// A collective of a group on its own; zero for one rank.
Seconds collective_seconds(CollectiveKind kind, RankGroup group, Bytes bytes, const MachineView& view,
                           const CostModel& cost);
/// The least that it asks of links, at peak.
PeakDemand collective_demand(CollectiveKind kind, RankGroup group, Bytes bytes, const MachineView& view);

}  // namespace moesaic
