#include "model/collective.hpp"

namespace moesaic {

CollectiveAlgorithm fastest_algorithm(const Collective& collective, Seconds alpha, BytesPerSecond beta, bool switched,
                                      bool in_switch_reduction) {
  const double n = collective.ranks;
  const Bytes message = collective.bytes;
  const double others = (n - 1) / n;
  if (collective.kind != CollectiveKind::all_reduce) {
    const bool ring = !switched && collective.kind != CollectiveKind::all_to_all;
    return {ring ? "ring" : "direct", ring ? n - 1 : 1, message * others};
  }
  if (!switched) {
    return {"ring", 2 * (n - 1), message * (2 * others)};
  }
  CollectiveAlgorithm best{"one-shot", 1, message * (n - 1)};
  const auto consider = [&](const CollectiveAlgorithm& other) {
    if (alpha * other.steps + other.wire / beta < alpha * best.steps + best.wire / beta) {
      best = other;
    }
  };
  consider({"two-shot", 2, message * (2 * others)});
  if (in_switch_reduction) {
    consider({"in-switch", 2, message * ((n + 1) / n)});
  }
  return best;
}

}  // namespace moesaic
