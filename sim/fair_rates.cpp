#include "sim/fair_rates.hpp"

#include <algorithm>
#include <functional>

#include "base/error.hpp"

namespace moesaic {
namespace {

constexpr double kOpen = -1;            // a rate that is not fixed yet
constexpr double kSmallRest = 1e-3;     // of a channel's load: what is left after subtracting so much is rounded
constexpr double kEqualLevels = 1e-12;  // channels that are full this close to each other may be taken in any order

}  // namespace

FairRates::FairRates(const FlowRows& rows)
    : rows_(rows), first_(rows.capacity.size() + 1), on_(rows.channel.size()), channels_(rows.capacity.size()) {
  for (const std::uint32_t channel : rows.channel) {
    ++first_[channel + 1];
  }
  for (std::size_t c = 1; c < first_.size(); ++c) {
    first_[c] += first_[c - 1];
  }
  std::vector<std::uint32_t> next(first_.begin(), first_.end() - 1);
  for (std::uint32_t row = 0; row < rows.size(); ++row) {
    for (std::uint32_t i = rows.first[row]; i < rows.first[row + 1]; ++i) {
      on_[next[rows.channel[i]]++] = row;
    }
  }
}

FairRates::Level FairRates::level(std::uint32_t channel) const {
  const Channel& state = channels_[channel];
  return {std::max(0.0, rows_.capacity[channel] - state.used) / state.load, channel};
}

/// The load from the rows themselves, where subtracting left a small rest of it.
void FairRates::sum_again(std::uint32_t channel, std::span<const double> rate) {
  Channel& state = channels_[channel];
  state.load = 0;
  for (std::uint32_t i = first_[channel]; i < first_[channel + 1]; ++i) {
    const std::uint32_t row = on_[i];
    // A row that crosses the channel twice is listed twice, side by side.
    if (rate[row] == kOpen && (i == first_[channel] || on_[i - 1] != row)) {
      for (std::uint32_t j = rows_.first[row]; j < rows_.first[row + 1]; ++j) {
        state.load += rows_.channel[j] == channel ? rows_.weight[j] : 0;
      }
    }
  }
  state.full = state.load;
}

/// How many it fixed.
std::uint32_t FairRates::fix_rows(std::uint32_t channel, double at, std::span<double> rate) {
  std::uint32_t fixed = 0;
  for (std::uint32_t i = first_[channel]; i < first_[channel + 1]; ++i) {
    const std::uint32_t row = on_[i];
    if (rate[row] != kOpen) {
      continue;
    }
    rate[row] = at;
    ++fixed;
    for (std::uint32_t j = rows_.first[row]; j < rows_.first[row + 1]; ++j) {
      Channel& state = channels_[rows_.channel[j]];
      state.used += rows_.weight[j] * at;
      state.load -= rows_.weight[j];
      --state.open;
    }
  }
  return fixed;
}

void FairRates::solve(std::span<const std::uint32_t> active, double keep_below, std::span<double> rate) {
  std::fill(channels_.begin(), channels_.end(), Channel{});
  std::size_t open = 0;
  for (const std::uint32_t row : active) {
    const bool keep = rate[row] < keep_below;
    for (std::uint32_t j = rows_.first[row]; j < rows_.first[row + 1]; ++j) {
      Channel& state = channels_[rows_.channel[j]];
      if (keep) {
        state.used += rows_.weight[j] * rate[row];
      } else {
        state.load += rows_.weight[j];
        ++state.open;
      }
    }
    if (!keep) {
      rate[row] = kOpen;
      ++open;
    }
  }
  heap_.clear();
  for (std::uint32_t c = 0; c < channels_.size(); ++c) {
    if (channels_[c].open > 0) {
      channels_[c].full = channels_[c].load;
      heap_.push_back(level(c));
    }
  }
  const std::greater<> later;
  std::make_heap(heap_.begin(), heap_.end(), later);
  while (open > 0) {
    MOESAIC_ASSERT(!heap_.empty());
    std::pop_heap(heap_.begin(), heap_.end(), later);
    const Level then = heap_.back();
    heap_.pop_back();
    const std::uint32_t channel = then.second;
    if (channels_[channel].open == 0) {
      continue;
    }
    if (channels_[channel].load < kSmallRest * channels_[channel].full) {
      sum_again(channel, rate);
    }
    // Rows fixed elsewhere were no faster, so that levels only rise: one that is out of date is too low.
    const Level now = level(channel);
    if (now.first > then.first && !heap_.empty() && heap_.front().first * (1 + kEqualLevels) < now.first) {
      heap_.push_back(now);
      std::push_heap(heap_.begin(), heap_.end(), later);
      continue;
    }
    open -= fix_rows(channel, now.first, rate);
  }
}

}  // namespace moesaic
