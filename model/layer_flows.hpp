// How tokens go from the experts of one layer to those of the next.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/quantity.hpp"
#include "model/expert_placement.hpp"
#include "model/routing_trace.hpp"

namespace moesaic {

/// Means over the tokens of a trace. A token that uses k experts in both layers counts 1/k for each pair of them, so
/// that the pairs of an expert add up to its load.
struct LayerFlows {
  std::int64_t experts = 0;
  std::vector<std::vector<double>> loads;    ///< [layer][expert]: how often one token uses it
  std::vector<std::vector<double>> between;  ///< [layer][expert * experts + expert of the next layer]

  std::size_t layers() const { return loads.size(); }
};
LayerFlows layer_flows(const RoutingTrace& trace);

/// A made-up trace: popularity in each layer proportional to 1/(i+1)^exponent in an order of its own; every expert has
/// a partner in the next layer, any one, to which its token goes on with chance `affinity`, else to an expert drawn by
/// popularity. So the loads of later layers are those popularities, mixed with what partners bring along. A function of
/// the seed. Synthetic: nothing here is measured.
struct SyntheticTrace {
  std::int64_t experts = 8, top_k = 2, layers = 32, tokens = 4096;
  double exponent = 0;
  double affinity = 0.5;
  std::uint64_t seed = 1;
};
RoutingTrace synthetic_trace(const SyntheticTrace& options);

/// The same popularities, dealt to the experts in a random order, as those of a trained model are. A function of the
/// seed.
Routing shuffled(const Routing& routing, std::uint64_t seed);

/// What tokens cost between two layers when each moves from the rank of its expert to that of its next one.
struct LinkRates {
  BytesPerSecond scale_up, network;  ///< of one pair of ranks in a node, and of one across nodes
};
struct CrossLayerCost {
  Seconds worst{};   ///< the sum over layers of the slowest pair of ranks: MoETuner's second objective
  double local = 0;  ///< share of moves that stay on a rank
  double node = 0;   ///< share that stays in a node, on another rank
};
/// `placements` has one a layer; copies of an expert share its tokens evenly. `moved` is what all tokens together would
/// move from one layer to the next, once each: tokens x bytes of a copy.
CrossLayerCost cross_layer_cost(const LayerFlows& flows, std::span<const ExpertPlacement> placements,
                                const LinkRates& rates, Bytes moved);

}  // namespace moesaic
