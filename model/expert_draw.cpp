#include "model/expert_draw.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numeric>

#include "base/error.hpp"
#include "model/random_words.hpp"

namespace moesaic {
namespace {

constexpr int kMostRejectedDraws = 64;  // then the experts left are searched instead
constexpr double kCancelled = 1e-6;     // of the total weight: below it a difference is summed again

}  // namespace

ExpertDraw::ExpertDraw(const Routing& routing, const GroupLimit& limit)
    : limit_(limit.limits() ? limit : GroupLimit{1, 1}),
      weights_(routing.popularity().begin(), routing.popularity().end()),
      taken_(weights_.size(), 0) {
  check_group_limit(limit, routing.experts(), routing.top_k());
  group_size_ = weights_.size() / static_cast<std::size_t>(limit_.groups);
  open_.assign(static_cast<std::size_t>(limit_.groups), 0);
  group_chance_.assign(open_.size(), 0.0);
  taken_chance_.assign(weights_.size(), 0.0);
  fixed_.assign(weights_.size(), 0.0);
  double largest = 0;
  for (std::size_t e = 0; e < weights_.size(); ++e) {
    if (std::isinf(weights_[e])) {
      always_.push_back(e);
      weights_[e] = 0;
    }
    largest = std::max(largest, weights_[e]);
  }
  std::for_each(weights_.begin(), weights_.end(), [&](double& weight) { weight /= largest > 0 ? largest : 1; });
  total_ = std::accumulate(weights_.begin(), weights_.end(), 0.0);
  group_weight_.assign(open_.size(), 0.0);
  for (std::size_t e = 0; e < weights_.size(); ++e) {
    group_weight_[e / group_size_] += weights_[e];
  }
  threshold_.assign(weights_.size(), 1.0);
  alias_.resize(weights_.size());
  std::iota(alias_.begin(), alias_.end(), std::size_t{0});
  std::vector<std::size_t> small, large;
  std::vector<double> scaled = weights_;
  for (std::size_t e = 0; e < scaled.size() && total_ > 0; ++e) {
    scaled[e] *= static_cast<double>(scaled.size()) / total_;
    (scaled[e] < 1 ? small : large).push_back(e);
  }
  while (!small.empty() && !large.empty()) {
    const std::size_t less = small.back(), more = large.back();
    small.pop_back();
    threshold_[less] = scaled[less];
    alias_[less] = more;
    scaled[more] -= 1 - scaled[less];
    if (scaled[more] < 1) {
      large.pop_back();
      small.push_back(more);
    }
  }
}

bool ExpertDraw::allowed(std::size_t expert) const {
  return taken_[expert] == 0 && (opened_ < limit_.most || open_[expert / group_size_] != 0);
}

void ExpertDraw::take(std::size_t expert) {
  taken_[expert] = 1;
  mine_.push_back(expert);
  char& open = open_[expert / group_size_];
  opened_ += open == 0 ? 1 : 0;
  open = 1;
}

// By groups; expert by expert only where the difference would lose its digits.
double ExpertDraw::weight_left() const {
  double sum = 0, whole = 0;
  for (std::size_t g = 0; g < open_.size(); ++g) {
    whole += opened_ < limit_.most || open_[g] != 0 ? group_weight_[g] : 0;
  }
  for (const std::size_t expert : mine_) {
    sum += weights_[expert];
  }
  if (whole - sum > kCancelled * whole) {
    return whole - sum;
  }
  sum = 0;
  for (std::size_t e = 0; e < weights_.size(); ++e) {
    sum += allowed(e) ? weights_[e] : 0;
  }
  return sum;
}

// Rejecting what may not be chosen leaves the chances of the rest in proportion.
std::size_t ExpertDraw::next(Draws& draws, double left) const {
  for (int i = 0; i < kMostRejectedDraws && left > kCancelled * total_; ++i) {
    const std::size_t column = draws.below(weights_.size());
    const std::size_t expert = draws.word() * 0x1p-32 < threshold_[column] ? column : alias_[column];
    if (weights_[expert] > 0 && allowed(expert)) {
      return expert;
    }
  }
  return search(draws);
}

std::size_t ExpertDraw::search(Draws& draws) const {
  double rest = weight_left() * ((draws.word() + 0.5) * 0x1p-32);
  std::size_t last = weights_.size();
  for (std::size_t e = 0; e < weights_.size(); ++e) {
    if (weights_[e] > 0 && allowed(e)) {
      last = e;
      rest -= weights_[e];
      if (rest < 0) {
        return e;
      }
    }
  }
  if (last == weights_.size()) {
    throw UserError(
        "expert groups: the groups that a token may use hold fewer experts of positive popularity than it needs");
  }
  return last;
}

void ExpertDraw::draw(Draws& draws, std::span<std::int32_t> chosen) {
  mine_.clear();
  opened_ = 0;
  tokens_ += 1;
  for (const std::size_t expert : always_) {
    if (mine_.size() < chosen.size() && allowed(expert)) {
      take(expert);
      fixed_[expert] += 1;
    }
  }
  double left = always_.empty() ? total_ : weight_left();
  while (mine_.size() < chosen.size()) {
    const double chance = 1 / left;
    for (std::size_t g = 0; g < open_.size(); ++g) {
      group_chance_[g] += opened_ < limit_.most || open_[g] != 0 ? chance : 0;
    }
    for (const std::size_t expert : mine_) {
      taken_chance_[expert] += chance;
    }
    const std::int64_t before = opened_;
    const std::size_t expert = next(draws, left);
    take(expert);
    left -= weights_[expert];
    if (left < kCancelled * total_ || (limit_.groups > 1 && opened_ == limit_.most && before < opened_)) {
      left = weight_left();
    }
  }
  for (std::size_t i = 0; i < chosen.size(); ++i) {
    chosen[i] = static_cast<std::int32_t>(mine_[i]);
    taken_[mine_[i]] = 0;
    open_[mine_[i] / group_size_] = 0;
  }
}

std::vector<double> ExpertDraw::inclusion() const {
  std::vector<double> result(weights_.size(), 0.0);
  for (std::size_t e = 0; e < result.size() && tokens_ > 0; ++e) {
    result[e] = (fixed_[e] + weights_[e] * (group_chance_[e / group_size_] - taken_chance_[e])) / tokens_;
  }
  return result;
}

}  // namespace moesaic
