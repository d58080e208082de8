// One MoE layer in chunks, whose exchanges between nodes, collectives inside nodes and computation run beside each
// other.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "base/quantity.hpp"

namespace moesaic {

/// What may run beside what.
enum class OverlapPolicy : std::uint8_t {
  sequential,      ///< nothing; one chunk
  tutel,           ///< communication, one operation at a time, beside experts (Tutel 2206.03382, PipeMoE); forward and
                   ///< backward in the same number of chunks; gradients are reduced on their own
  tutel_improved,  ///< the same, gradients beside the attention's backward (2501.10714, section 6)
  no_iio,          ///< gradients also where communication pauses; chunks of forward and backward chosen apart
  fsmoe            ///< besides, exchanges between nodes beside collectives inside nodes (FSMoE 2501.10714)
};
inline constexpr int kOverlapPolicyCount = 5;
/// "sequential", "tutel", "tutel-improved", "no-iio", "fsmoe". Throws UserError with the option and the nearest name.
OverlapPolicy parse_overlap_policy(std::string_view option, std::string_view text);
std::string_view name(OverlapPolicy policy);

/// Time of an operation on a part of its data: a start-up, and the rest in proportion (2501.10714, equation 1).
struct ChunkedTime {
  Seconds start{};
  Seconds rest{};
  Seconds of(int chunks) const { return start + rest / chunks; }
};

/// One layer's forward pass: attention, then for each chunk an exchange between nodes, a gather inside nodes, experts,
/// a scattered reduction inside nodes and an exchange back. Backward the same the other way round, attention last.
struct MoeLayerTimes {
  ChunkedTime all_to_all;  ///< each of the two
  ChunkedTime all_gather;
  ChunkedTime reduce_scatter;
  ChunkedTime experts;
  Seconds attention{};    ///< and all else that is computed
  ChunkedTime gradients;  ///< their all-reduce between nodes, in backward passes
  double backward = 2;    ///< experts and attention backward over forward
};

enum class OverlapQueue : std::uint8_t { between_nodes, inside_nodes, compute };
struct OverlapSpan {
  enum class What : std::uint8_t { attention, dispatch, all_gather, experts, reduce_scatter, combine, gradients };
  What what = What::attention;
  OverlapQueue queue = OverlapQueue::compute;
  int chunk = 0;
  Seconds start{};
  Seconds end{};
};

struct OverlapTimes {
  int chunks = 1;
  Seconds total{};
  Seconds experts_part{};  ///< without attention and what gradients add to it
  std::vector<OverlapSpan> spans;
};

/// One direction of a layer in so many chunks, operation by operation on its queue. In the steady state of many layers
/// a backward pass reduces the gradients of the layer before.
OverlapTimes run_overlap(const MoeLayerTimes& layer, OverlapPolicy policy, bool backward, int chunks);

struct OverlapChoice {
  OverlapTimes forward;
  OverlapTimes backward;
  Seconds total() const { return forward.total + backward.total; }
};
/// The best numbers of chunks up to `most`, as the policy may choose them; of equally fast ones the fewest.
OverlapChoice best_overlap(const MoeLayerTimes& layer, OverlapPolicy policy, int most);

/// FSMoE's closed form of the part with experts, with `gradients` reduced meanwhile (2501.10714, section 4: cases 1 to
/// 4 by the conditions Q1 to Q7, which take a gather to be as long as a scatter). Then it equals run_overlap, but for
/// case 3, which leaves exchanges idle for a gather and a scatter although a chunk may be ready to be sent back.
struct FsmoeFormula {
  int bound = 0;  ///< its case: 1 between nodes, 2 experts, 3 exchanges, 4 inside nodes
  Seconds seconds{};
};
FsmoeFormula fsmoe_formula(const MoeLayerTimes& layer, bool backward, int chunks, Seconds gradients);

}  // namespace moesaic
