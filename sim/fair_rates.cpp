#include "sim/fair_rates.hpp"

#include <algorithm>
#include <functional>

#include "base/error.hpp"

namespace moesaic {
namespace {

constexpr double kOpen = -1;            // a rate that is not fixed
constexpr double kSmallRest = 1e-3;     // of a channel's load: what is left after subtracting so much is rounded
constexpr double kEqualLevels = 1e-12;  // channels that are full this close to each other may be taken in any order

}  // namespace

FairRates::FairRates(const FlowRows& rows)
    : rows_(rows),
      first_(rows.capacity.size() + 1),
      on_(rows.channel.size()),
      channels_(rows.capacity.size()),
      rate_(rows.size()) {
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

void FairRates::add(std::uint32_t row) {
  for (std::uint32_t j = rows_.first[row]; j < rows_.first[row + 1]; ++j) {
    Channel& state = channels_[rows_.channel[j]];
    state.load += rows_.weight[j];
    ++state.open;
    ++state.count;
  }
  rate_[row] = kOpen;
  ++open_;
}

void FairRates::remove(std::uint32_t row) {
  MOESAIC_ASSERT(rate_[row] != kOpen);
  for (std::uint32_t j = rows_.first[row]; j < rows_.first[row + 1]; ++j) {
    Channel& state = channels_[rows_.channel[j]];
    state.used = --state.count > state.open ? state.used - rows_.weight[j] * rate_[row] : 0;
  }
  rate_[row] = 0;
}

/// Rates that are no longer fixed. Where none of a channel is, what rounding left of their sum goes.
void FairRates::open_rows(std::span<const std::uint32_t> active, double from) {
  for (const std::uint32_t row : active) {
    if (rate_[row] < from) {
      continue;  // kept, or open already
    }
    for (std::uint32_t j = rows_.first[row]; j < rows_.first[row + 1]; ++j) {
      Channel& state = channels_[rows_.channel[j]];
      state.used = ++state.open < state.count ? state.used - rows_.weight[j] * rate_[row] : 0;
      state.load += rows_.weight[j];
    }
    rate_[row] = kOpen;
    ++open_;
  }
}

void FairRates::fix(std::uint32_t row, double at) {
  for (std::uint32_t j = rows_.first[row]; j < rows_.first[row + 1]; ++j) {
    Channel& state = channels_[rows_.channel[j]];
    state.used += rows_.weight[j] * at;
    state.load = --state.open > 0 ? state.load - rows_.weight[j] : 0;
  }
  rate_[row] = at;
  fixed_.push_back(row);
  --open_;
}

FairRates::Level FairRates::level(std::uint32_t channel) const {
  const Channel& state = channels_[channel];
  return {std::max(0.0, rows_.capacity[channel] - state.used) / state.load, channel};
}

/// Sums a load from the rows themselves where subtracting left a small rest of it.
void FairRates::mend(std::uint32_t channel) {
  Channel& state = channels_[channel];
  if (state.load >= kSmallRest * state.full) {
    return;
  }
  state.load = 0;
  for (std::uint32_t i = first_[channel]; i < first_[channel + 1]; ++i) {
    const std::uint32_t row = on_[i];
    // A row that crosses the channel twice is listed twice, side by side.
    if (rate_[row] == kOpen && (i == first_[channel] || on_[i - 1] != row)) {
      for (std::uint32_t j = rows_.first[row]; j < rows_.first[row + 1]; ++j) {
        state.load += rows_.channel[j] == channel ? rows_.weight[j] : 0;
      }
    }
  }
}

std::span<const std::uint32_t> FairRates::solve(std::span<const std::uint32_t> active, double keep_below) {
  fixed_.clear();
  open_rows(active, keep_below);
  heap_.clear();
  for (std::uint32_t c = 0; c < channels_.size(); ++c) {
    if (channels_[c].open > 0) {
      channels_[c].full = channels_[c].load;
      heap_.push_back(level(c));
    }
  }
  const std::greater<> later;
  std::make_heap(heap_.begin(), heap_.end(), later);
  while (open_ > 0) {
    MOESAIC_ASSERT(!heap_.empty());
    std::pop_heap(heap_.begin(), heap_.end(), later);
    const auto [then, channel] = heap_.back();
    heap_.pop_back();
    if (channels_[channel].open == 0) {
      continue;
    }
    mend(channel);
    // Rows fixed elsewhere were no faster, so that levels only rise: one that is out of date is too low.
    const Level now = level(channel);
    if (now.first > then && !heap_.empty() && heap_.front().first * (1 + kEqualLevels) < now.first) {
      heap_.push_back(now);
      std::push_heap(heap_.begin(), heap_.end(), later);
      continue;
    }
    for (std::uint32_t i = first_[channel]; i < first_[channel + 1]; ++i) {
      if (rate_[on_[i]] == kOpen) {
        fix(on_[i], now.first);
      }
    }
  }
  return fixed_;
}

}  // namespace moesaic
