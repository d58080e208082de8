#include "sim/chunked_layer.hpp"

#include <algorithm>
#include <string>

#include "base/error.hpp"
#include "base/nearest.hpp"

namespace moesaic {
namespace {

constexpr double kTimeRounding = 1e-12;  // of sums of a few thousand times

constexpr std::array<std::string_view, kOverlapPolicyCount> kOverlapPolicyNames = {"sequential", "tutel",
                                                                                   "tutel-improved", "no-iio", "fsmoe"};

/// Serial queues. Operations are added in an order in which each queue takes its own.
class Queues {
 public:
  Seconds add(OverlapSpan::What what, OverlapQueue queue, int chunk, Seconds after, Seconds duration) {
    Seconds& free = free_[static_cast<std::size_t>(queue)];
    const Seconds start = std::max(free, after);
    free = start + duration;
    busy_[static_cast<std::size_t>(queue)] += duration;
    spans_.push_back({what, queue, chunk, start, free});
    return free;
  }
  Seconds end() const { return *std::max_element(free_.begin(), free_.end()); }
  Seconds busy(OverlapQueue queue) const { return busy_[static_cast<std::size_t>(queue)]; }
  std::vector<OverlapSpan> spans_;

 private:
  std::array<Seconds, 3> free_{}, busy_{};
};

/// All chunks there, `pause` between the two halves of communication, and all chunks back.
Queues run_chunks(const MoeLayerTimes& layer, bool one_queue, double scale, int chunks, Seconds begin, Seconds pause) {
  Queues queues;
  const OverlapQueue between = OverlapQueue::between_nodes;
  const OverlapQueue inside = one_queue ? between : OverlapQueue::inside_nodes;
  std::vector<Seconds> ready(static_cast<std::size_t>(chunks));
  queues.spans_.reserve(5 * ready.size() + 2);
  for (int i = 0; i < chunks; ++i) {
    const Seconds sent = queues.add(OverlapSpan::What::dispatch, between, i, begin, layer.all_to_all.of(chunks));
    const Seconds gathered = queues.add(OverlapSpan::What::all_gather, inside, i, sent, layer.all_gather.of(chunks));
    ready[static_cast<std::size_t>(i)] =
        queues.add(OverlapSpan::What::experts, OverlapQueue::compute, i, gathered, scale * layer.experts.of(chunks));
  }
  if (pause > Seconds{}) {
    queues.add(OverlapSpan::What::gradients, between, 0, begin, pause);
  }
  for (int i = 0; i < chunks; ++i) {
    const Seconds reduced = queues.add(OverlapSpan::What::reduce_scatter, inside, i, ready[static_cast<std::size_t>(i)],
                                       layer.reduce_scatter.of(chunks));
    queues.add(OverlapSpan::What::combine, between, i, reduced, layer.all_to_all.of(chunks));
  }
  return queues;
}

OverlapTimes finish(Queues queues, int chunks, Seconds experts_part) {
  return {.chunks = chunks, .total = queues.end(), .experts_part = experts_part, .spans = std::move(queues.spans_)};
}

OverlapTimes run_forward(const MoeLayerTimes& layer, bool one_queue, int chunks) {
  Queues queues = run_chunks(layer, one_queue, 1, chunks, layer.attention, {});
  queues.spans_.insert(queues.spans_.begin(),
                       {OverlapSpan::What::attention, OverlapQueue::compute, 0, Seconds{}, layer.attention});
  const Seconds experts = queues.end() - layer.attention;
  return finish(std::move(queues), chunks, experts);
}

OverlapTimes run_backward(const MoeLayerTimes& layer, OverlapPolicy policy, bool one_queue, int chunks) {
  Queues queues = run_chunks(layer, one_queue, layer.backward, chunks, {}, {});
  const Seconds end = queues.end();
  Seconds left = layer.gradients.start + layer.gradients.rest;
  if (policy >= OverlapPolicy::no_iio) {
    // Between its two halves communication pauses for as long as the whole leaves it idle: the way back only follows.
    const Seconds idle = end - queues.busy(OverlapQueue::between_nodes);
    if (idle >= left) {
      queues = run_chunks(layer, one_queue, layer.backward, chunks, {}, left);
      left = {};
    } else if (idle > layer.gradients.start && layer.gradients.rest > Seconds{}) {
      queues = run_chunks(layer, one_queue, layer.backward, chunks, {}, idle);
      left = left - idle + layer.gradients.start;
    }
  }
  const Seconds attention = layer.backward * layer.attention;
  const Seconds computed = queues.add(OverlapSpan::What::attention, OverlapQueue::compute, 0, end, attention);
  const bool beside = policy >= OverlapPolicy::tutel_improved;
  if (left > Seconds{}) {
    queues.add(OverlapSpan::What::gradients, OverlapQueue::between_nodes, 0, beside ? end : computed, left);
  }
  return finish(std::move(queues), chunks, end);
}

/// More chunks that are as fast but for rounding are not better.
bool sooner(Seconds next, Seconds best) { return next < (1 - kTimeRounding) * best; }

}  // namespace

OverlapPolicy parse_overlap_policy(std::string_view option, std::string_view text) {
  for (std::size_t i = 0; i < kOverlapPolicyNames.size(); ++i) {
    if (kOverlapPolicyNames[i] == text) {
      return static_cast<OverlapPolicy>(i);
    }
  }
  throw UserError(std::string(option) + ": unknown policy '" + printable(text) + "'" +
                  suggest(text, std::vector<std::string>(kOverlapPolicyNames.begin(), kOverlapPolicyNames.end())));
}

std::string_view name(OverlapPolicy policy) { return kOverlapPolicyNames[static_cast<std::size_t>(policy)]; }

OverlapTimes run_overlap(const MoeLayerTimes& layer, OverlapPolicy policy, bool backward, int chunks) {
  MOESAIC_ASSERT(chunks >= 1);
  const int used = policy == OverlapPolicy::sequential ? 1 : chunks;
  const bool one_queue = policy != OverlapPolicy::fsmoe;
  return backward ? run_backward(layer, policy, one_queue, used) : run_forward(layer, one_queue, used);
}

OverlapChoice best_overlap(const MoeLayerTimes& layer, OverlapPolicy policy, int most) {
  const bool apart = policy >= OverlapPolicy::no_iio;
  OverlapChoice best{run_overlap(layer, policy, false, 1), run_overlap(layer, policy, true, 1)};
  const int last = policy == OverlapPolicy::sequential ? 1 : most;
  for (int chunks = 2; chunks <= last; ++chunks) {
    const OverlapChoice next{run_overlap(layer, policy, false, chunks), run_overlap(layer, policy, true, chunks)};
    if (apart) {
      best = {sooner(next.forward.total, best.forward.total) ? next.forward : best.forward,
              sooner(next.backward.total, best.backward.total) ? next.backward : best.backward};
    } else if (sooner(next.total(), best.total())) {
      best = next;
    }
  }
  return best;
}

FsmoeFormula fsmoe_formula(const MoeLayerTimes& layer, bool backward, int chunks, Seconds gradients) {
  const double r = chunks;
  const Seconds exchange = layer.all_to_all.of(chunks);
  const Seconds gather = layer.all_gather.of(chunks);
  const Seconds scatter = layer.reduce_scatter.of(chunks);
  const Seconds experts = (backward ? layer.backward : 1) * layer.experts.of(chunks);
  const Seconds hidden = 2 * (r - 1) * exchange;  // exchanges but the first and the last
  const bool q1 = exchange > gather;
  const bool q2 = r * experts > hidden;
  const bool q3 = r * experts > (r - 1) * (gather + scatter);
  const bool q4 = gradients > gather + scatter;
  const bool q5 = gradients > r * experts - hidden + gather + scatter;
  const bool q6 = gradients > r * gather + r * scatter - hidden;
  const bool q7 = gradients > gather + scatter + r * experts - hidden;
  if ((q1 && !q2 && q4) || (q1 && q2 && q5) || (!q1 && !q3 && q6) || (!q1 && q3 && q7)) {
    return {1, 2 * r * exchange + gradients};
  }
  if ((q1 && q2) || (!q1 && q3)) {
    return {2, 2.0 * exchange + gather + scatter + r * experts};
  }
  if (q1) {
    return {3, 2 * r * exchange + gather + scatter};
  }
  return {4, 2.0 * exchange + r * gather + r * scatter};
}

}  // namespace moesaic
