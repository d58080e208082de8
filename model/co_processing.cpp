#include "model/co_processing.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <random>
#include <span>
#include <utility>
#include <vector>

#include "base/statistics.hpp"

// Loads of E experts are binomial and hang together: X_e = Y_e - mean(Y) of normal scores Y that do not, as those of
// counts with a fixed sum. An expert's load is the binomial's quantile of its score. Where one rank is looked at, its
// sum is fixed. Of the slowest of several ranks mean(Y) is dropped: it is the same for all of them, and zero in the
// mean. Against tokens that choose (tests/model/co_processing_test.cpp): within 2.5%, of 8 tokens in all within 8%.

namespace moesaic {
namespace {

/// Normal scores, one of each of as many equal parts of the distribution, in an order of their own.
const std::vector<double>& scores() {
  static const std::vector<double> shuffled = [] {
    constexpr std::size_t kCount = 4096;
    constexpr std::uint64_t kSeed = 1;
    std::vector<double> values;
    for (std::size_t i = 0; i < kCount; ++i) {
      values.push_back(normal_quantile((static_cast<double>(i) + 0.5) / kCount));
    }
    std::mt19937_64 engine(kSeed);
    for (std::size_t i = kCount - 1; i > 0; --i) {
      std::swap(values[i], values[engine() % (i + 1)]);
    }
    return values;
  }();
  return shuffled;
}

/// Tokens of the experts of one rank, draw by draw.
class DrawnLoads {
 public:
  explicit DrawnLoads(const GroupedGemm& experts)
      : held_(static_cast<std::size_t>(std::max(1.0, std::round(experts.experts)))),
        ranks_(experts.alike ? experts.ranks : 1),
        trials_(std::max(1.0, experts.tokens)) {
    const double all = experts.experts * ranks_;
    const double mean = (experts.alike ? experts.tokens * experts.top_k : experts.rows) / all;
    if (experts.even || all <= 1 || mean >= trials_) {
      const double used =
          experts.even ? std::clamp(std::round(experts.distinct), 1.0, experts.experts) : experts.experts;
      fixed_.assign(held_, 0);
      std::fill_n(fixed_.begin(), std::min(held_, static_cast<std::size_t>(used)), experts.rows / used);
      return;
    }
    const double chance = mean / trials_;
    pull_ = experts.alike && ranks_ > 1 ? 0 : 1;
    widen_ = 1 / std::sqrt(1 - 1 / all);
    constexpr double kDeviations = 6;
    const double around = kDeviations * std::sqrt(trials_ * chance * (1 - chance)) + kDeviations;
    least_ = std::max(0.0, std::floor(mean - around));
    for (double n = least_; n < std::min(trials_, mean + around); ++n) {
      constexpr double kCertain = 1e-12;
      const double up_to = binomial_at_most(n, trials_, chance);
      above_.push_back(normal_quantile(std::clamp(up_to, kCertain, 1 - kCertain)));
    }
  }

  double ranks() const { return ranks_; }
  std::size_t held() const { return held_; }
  std::size_t draws() const {
    constexpr std::size_t kFewest = 64, kMost = 1024;
    return !fixed_.empty() ? 1 : std::clamp(scores().size() / held_, kFewest, kMost);
  }

  void draw(std::size_t which, std::vector<double>& loads) const {
    if (!fixed_.empty()) {
      loads = fixed_;
      return;
    }
    loads.resize(held_);
    const auto score = [&](std::size_t expert) { return scores()[(which * held_ + expert) % scores().size()]; };
    double sum = 0;
    for (std::size_t e = 0; e < held_; ++e) {
      sum += score(e);
    }
    for (std::size_t e = 0; e < held_; ++e) {
      const double own = widen_ * (score(e) - pull_ * sum / static_cast<double>(held_));
      loads[e] = least_ + static_cast<double>(std::lower_bound(above_.begin(), above_.end(), own) - above_.begin());
    }
  }

 private:
  std::size_t held_;
  double ranks_, trials_;
  std::vector<double> fixed_;  ///< where nothing is drawn
  double pull_ = 0, widen_ = 1, least_ = 0;
  std::vector<double> above_;  ///< scores above which a load is more than least_, least_ + 1, ...
};

/// Experts of one memory space: what they have, and what they take on both units.
struct Group {
  double tokens = 0, experts = 0, used = 0;
  double table_here = 0, table_there = 0, here = 0, there = 0;

  void add(const Group& other) {
    tokens += other.tokens;
    experts += other.experts;
    used += other.used;
  }
};

double seconds(const ExpertTimes& of, double tokens) {
  return tokens <= 0 ? 0
                     : std::max(of.weights.value + tokens * of.row_memory.value, tokens * of.row_compute.value) +
                           tokens * of.row_apart.value;
}

void fill_groups(std::span<const double> loads, const UnitTimes& table, const UnitTimes& attained,
                 std::vector<Group>& groups) {
  for (std::size_t g = 0; g < groups.size(); ++g) {
    Group& group = groups[g] = {};
    for (std::size_t e = loads.size() * g / groups.size(); e < loads.size() * (g + 1) / groups.size(); ++e) {
      group.tokens += loads[e];
      group.experts += 1;
      group.used += std::min(1.0, loads[e]);
      group.table_here += seconds(table.processor, loads[e]);
      group.table_there += seconds(table.memory, loads[e]);
      group.here += seconds(attained.processor, loads[e]);
      group.there += seconds(attained.memory, loads[e]);
    }
  }
  std::sort(groups.begin(), groups.end(), [](const Group& a, const Group& b) { return a.tokens < b.tokens; });
}

/// How many of the groups go beside the memory, by the table.
std::size_t fewest_tokens_there(std::span<const Group> groups, double crossing) {
  double here = 0, there = 0;
  for (const Group& group : groups) {
    here += group.table_here;
  }
  std::size_t best = 0;
  double least = here;
  for (std::size_t moved = 1; moved <= groups.size(); ++moved) {
    here -= groups[moved - 1].table_here;
    there += groups[moved - 1].table_there;
    if (const double later = std::max(moved == groups.size() ? 0 : here, there + crossing); later < least) {
      least = later;
      best = moved;
    }
  }
  return best;
}

/// The mean of the largest of so many different ones of `values`.
double mean_of_largest(std::vector<double> values, double of) {
  std::sort(values.begin(), values.end());
  const double count = static_cast<double>(values.size());
  of = std::min(of, count);
  double sum = 0, at_most = 1;  // chance that the largest is this one or one below
  for (std::size_t i = values.size(); i-- > 0 && at_most > 0;) {
    const double rank = static_cast<double>(i) + 1, below = at_most * std::max(0.0, (rank - of) / rank);
    sum += values[i] * (at_most - below);
    at_most = below;
  }
  return sum;
}

}  // namespace

CoProcessed co_process(const GroupedGemm& experts, int spaces, const UnitTimes& attained, Seconds crossing,
                       const std::optional<UnitTimes>& table) {
  if (experts.rows <= 0) {
    return {};
  }
  const DrawnLoads loads(experts);
  std::vector<Group> groups(std::min<std::size_t>(static_cast<std::size_t>(spaces), loads.held()));
  std::vector<double> drawn, laters;
  Group light, whole;
  for (std::size_t i = 0; i < loads.draws(); ++i) {
    loads.draw(i, drawn);
    fill_groups(drawn, table.value_or(attained), attained, groups);
    const std::size_t moved = fewest_tokens_there(groups, crossing.value);
    double here = 0, there = moved > 0 ? crossing.value : 0;
    for (std::size_t g = 0; g < groups.size(); ++g) {
      whole.add(groups[g]);
      if (g < moved) {
        light.add(groups[g]);
        there += groups[g].there;
      } else {
        here += groups[g].here;
      }
    }
    laters.push_back(std::max(here, there));
  }
  const ExpertPart all{experts.experts, experts.rows, experts.distinct, experts.even};
  const Seconds later{mean_of_largest(std::move(laters), loads.ranks())};
  const Seconds here = in_series(all, experts.tokens, attained.processor);
  const Seconds there = in_series(all, experts.tokens, attained.memory) + crossing;
  if (light.experts <= 0 || light.experts >= whole.experts) {
    return {light.experts <= 0 ? ExpertParts{all, {}} : ExpertParts{{}, all}};
  }
  if (!table && std::min(here, there) <= later) {
    return {here <= there ? ExpertParts{all, {}} : ExpertParts{{}, all}};
  }
  CoProcessed out;
  out.parts.memory = {experts.experts * light.experts / whole.experts, experts.rows * light.tokens / whole.tokens,
                      experts.distinct * light.used / whole.used, experts.even};
  out.parts.processor = {experts.experts - out.parts.memory.experts, experts.rows - out.parts.memory.rows,
                         experts.distinct - out.parts.memory.distinct, experts.even};
  const Seconds mean_here = in_series(out.parts.processor, experts.tokens, attained.processor);
  const Seconds mean_there = in_series(out.parts.memory, experts.tokens, attained.memory);
  out.lateness = std::min(mean_here > Seconds{} ? later / mean_here : later / mean_there,
                          mean_there > Seconds{} ? (later - crossing) / mean_there : later / mean_here);
  return out;
}

}  // namespace moesaic
