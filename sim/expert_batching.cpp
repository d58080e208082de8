#include "sim/expert_batching.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <vector>

#include "base/error.hpp"

namespace moesaic {
namespace {

constexpr std::array<std::string_view, kBatchOrderCount> kBatchOrderNames = {"prefill-first", "decode-first",
                                                                             "expert-aware", "regrouped"};

/// Tokens in the order in which `documents` at a time give one each.
std::vector<std::int64_t> in_turn(std::int64_t tokens, std::int64_t document, std::int64_t documents) {
  std::vector<std::int64_t> order;
  for (std::int64_t first = 0; first < tokens; first += documents * document) {
    for (std::int64_t token = 0; token < document; ++token) {
      for (std::int64_t d = 0; d < documents; ++d) {
        const std::int64_t at = first + d * document + token;
        if (at < tokens) {
          order.push_back(at);
        }
      }
    }
  }
  return order;
}

/// Distinct experts of a growing batch, over all layers.
class Used {
 public:
  explicit Used(const RoutingTrace& trace)
      : trace_(trace), used_(trace.layers.size() * static_cast<std::size_t>(trace.experts), 0) {}

  std::int64_t count() const { return count_; }
  void clear() {
    std::fill(used_.begin(), used_.end(), 0);
    count_ = 0;
  }
  /// How many experts a token would add.
  std::int64_t added(std::int64_t token) const {
    std::int64_t sum = 0;
    for (std::size_t layer = 0; layer < trace_.layers.size(); ++layer) {
      for (const std::int32_t expert : trace_.chosen(layer, token)) {
        sum += used_[index(layer, expert)] == 0 ? 1 : 0;
      }
    }
    return sum;
  }
  void add(std::int64_t token) {
    for (std::size_t layer = 0; layer < trace_.layers.size(); ++layer) {
      for (const std::int32_t expert : trace_.chosen(layer, token)) {
        char& used = used_[index(layer, expert)];
        count_ += used == 0 ? 1 : 0;
        used = 1;
      }
    }
  }

 private:
  std::size_t index(std::size_t layer, std::int32_t expert) const {
    return layer * static_cast<std::size_t>(trace_.experts) + static_cast<std::size_t>(expert);
  }
  const RoutingTrace& trace_;
  std::vector<char> used_;
  std::int64_t count_ = 0;
};

/// Moves the places of the next batch to the front of the waiting tokens.
void choose_by_queues(const RoutingTrace& trace, std::vector<std::int64_t>& waiting) {
  const auto queue = [&](std::int64_t token) { return static_cast<std::size_t>(trace.chosen(0, token).front()); };
  std::vector<std::int64_t> length(static_cast<std::size_t>(trace.experts), 0);
  for (const std::int64_t token : waiting) {
    ++length[queue(token)];
  }
  std::stable_sort(waiting.begin(), waiting.end(), [&](std::int64_t a, std::int64_t b) {
    const std::size_t first = queue(a), second = queue(b);
    return length[first] != length[second] ? length[first] > length[second] : first < second;
  });
}

void choose_by_paths(std::size_t batch, std::vector<std::int64_t>& waiting, Used& used) {
  used.clear();
  for (std::size_t i = 0; i < batch; ++i) {
    const auto next =
        i == 0 ? waiting.begin()
               : std::min_element(waiting.begin() + static_cast<std::ptrdiff_t>(i), waiting.end(),
                                  [&](std::int64_t a, std::int64_t b) { return used.added(a) < used.added(b); });
    used.add(*next);
    std::rotate(waiting.begin() + static_cast<std::ptrdiff_t>(i), next, next + 1);
  }
}

double mean_distinct(const RoutingTrace& trace, const BatchingQuestion& question, BatchOrder how,
                     const std::vector<std::int64_t>& arrivals) {
  const auto batch = static_cast<std::size_t>(question.batch);
  Used used(trace);
  std::vector<std::int64_t> waiting;
  std::size_t arrived = 0;
  double sum = 0;
  std::int64_t batches = 0;
  while (true) {
    while (waiting.size() < static_cast<std::size_t>(question.waiting) && arrived < arrivals.size()) {
      waiting.push_back(arrivals[arrived++]);
    }
    if (waiting.size() < batch) {
      return sum / static_cast<double>(batches) / static_cast<double>(trace.layers.size());
    }
    if (how == BatchOrder::expert_aware) {
      choose_by_queues(trace, waiting);
    } else if (how == BatchOrder::regrouped) {
      choose_by_paths(batch, waiting, used);
    }
    used.clear();
    for (std::size_t i = 0; i < batch; ++i) {
      used.add(waiting[i]);
    }
    sum += static_cast<double>(used.count());
    ++batches;
    waiting.erase(waiting.begin(), waiting.begin() + static_cast<std::ptrdiff_t>(batch));
  }
}

}  // namespace

std::string_view name(BatchOrder order) { return kBatchOrderNames.at(static_cast<std::size_t>(order)); }

std::array<double, kBatchOrderCount> distinct_experts(const RoutingTrace& trace, const BatchingQuestion& question) {
  if (question.batch < 1 || question.batch > trace.tokens()) {
    throw UserError(fmt::format("batch of {} tokens: allowed are 1 to {}, the tokens of the trace", question.batch,
                                trace.tokens()));
  }
  if (question.waiting < question.batch) {
    throw UserError(
        fmt::format("{} waiting tokens: allowed are {}, a batch, and more", question.waiting, question.batch));
  }
  if (question.document < 1) {
    throw UserError(fmt::format("documents of {} tokens: allowed are 1 and more", question.document));
  }
  std::vector<std::int64_t> documents(static_cast<std::size_t>(trace.tokens()));
  std::iota(documents.begin(), documents.end(), std::int64_t{0});
  const std::vector<std::int64_t> turns = in_turn(trace.tokens(), question.document, question.waiting);
  std::array<double, kBatchOrderCount> result{};
  for (int i = 0; i < kBatchOrderCount; ++i) {
    const auto order = static_cast<BatchOrder>(i);
    result[static_cast<std::size_t>(i)] =
        mean_distinct(trace, question, order, order == BatchOrder::prefill_first ? documents : turns);
  }
  return result;
}

}  // namespace moesaic
