// Closed forms of collectives inside a node: alpha-beta, per algorithm.
#pragma once

#include "model/operator.hpp"

namespace moesaic {

/// steps * alpha + wire / bandwidth.
struct CollectiveAlgorithm {
  const char* name = "";
  double steps = 0;  ///< dependent messages
  Bytes wire;        ///< sent by one rank
};

/// The fastest algorithm for this message on links of latency alpha and bandwidth beta, as NCCL and the engines choose:
/// all-reduce one-shot (1 step, (n-1) S), two-shot (2 steps, 2(n-1)/n S), ring (2(n-1) steps, 2(n-1)/n S) where there
/// is no switch, in-switch (2 steps, (n+1)/n S); all-gather and reduce-scatter direct or ring; all-to-all direct.
CollectiveAlgorithm fastest_algorithm(const Collective& collective, Seconds alpha, BytesPerSecond beta, bool switched,
                                      bool in_switch_reduction);

}  // namespace moesaic
