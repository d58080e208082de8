// Closed forms of collectives: alpha-beta, per algorithm and level of the hierarchy (links inside nodes, network
// between).
#pragma once

#include <vector>

#include "model/machine_view.hpp"
#include "model/operator.hpp"

namespace moesaic {

/// The links of a group of ranks, alike for all: `nodes` nodes hold equal parts of it.
struct CollectiveLinks {
  int nodes = 1;
  Seconds latency{};           ///< of one message inside a node
  BytesPerSecond bandwidth{};  ///< of one rank, one direction
  bool switched = false;       ///< any two ranks of a node at full rate at once; else neighbours of a ring only
  bool in_switch_reduction = false;
  Seconds network_latency{};
  BytesPerSecond network_bandwidth{};  ///< one rank's share of its node's adapters
  Seconds network_gap{};               ///< of each message beyond the first that one rank sends to other nodes
};
/// Links as the machine's figures say, for `ranks` ranks, each `stride` further, that fill node after node. The machine
/// must have links.
CollectiveLinks collective_links(const MachineView& view, int ranks, int stride = 1);

/// latency * steps + network_latency * network_steps, and the bytes that the busiest rank sends on each level: both at
/// once where chunks are pipelined, else one after the other. Small messages fill the network less: s bytes take
/// s / bandwidth + gap.
struct CollectiveAlgorithm {
  const char* name = "";
  double steps = 0;  ///< dependent messages
  double network_steps = 0;
  Bytes wire{};
  Bytes network{};
  double messages = 1;  ///< independent ones that one rank sends to other nodes
  bool pipelined = true;

  Seconds latency_on(const CollectiveLinks& links) const;
  Seconds busy_on(const CollectiveLinks& links) const;
};

/// All that libraries choose from for this collective on these links.
///
/// In one node of n ranks, message S: all-reduce one-shot (1 step, (n-1) S), two-shot (2 steps, 2(n-1)/n S), ring
/// (2(n-1) steps, 2(n-1)/n S) where there is no switch, in-switch (2 steps, (n+1)/n S); all-gather and reduce-scatter
/// direct (1 step) or ring (n-1), (n-1)/n S; all-to-all direct.
///
/// In m nodes of g ranks, n = m g: ring over all (2(n-1) steps of an all-reduce, of which 2(m-1) between nodes, one
/// ring per adapter: 2(n-1)/n S/g on each), tree (2 log2 m network steps, 2 S/g), hierarchical (scatter inside,
/// all-reduce of S/g along each rail, gather inside); all-gather and reduce-scatter likewise; all-to-all direct, or in
/// two phases that gather inside the node first and send 1/m of S to each node (2DH, Tutel 2206.03382 section 3.3);
/// broadcast a pipelined chain; send-receive one message.
std::vector<CollectiveAlgorithm> collective_algorithms(const Collective& collective, const CollectiveLinks& links);

/// The fastest of them on these links, as NCCL and the engines choose by their own models.
CollectiveAlgorithm fastest_algorithm(const Collective& collective, const CollectiveLinks& links);

}  // namespace moesaic
