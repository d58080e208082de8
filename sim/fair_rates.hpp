// Private to sim: max-min fair rates of rows, by progressive filling.
#pragma once

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "sim/flow_rows.hpp"

namespace moesaic {

/// All rates rise together; a channel that is full fixes those of the rows on it, the others go on (Bertsekas and
/// Gallager, "Data Networks", 6.5.2). Keeps what a set of rows needs, so that it can be solved again and again.
class FairRates {
 public:
  /// The rows must outlive this.
  explicit FairRates(const FlowRows& rows);

  /// Writes the rates of the active rows, in which each row is named once. Rates below `keep_below` are those of the
  /// last time and stay. Others of `rate` must not be negative. A channel without capacity gives 0.
  void solve(std::span<const std::uint32_t> active, double keep_below, std::span<double> rate);

 private:
  struct Channel {
    double used = 0;  ///< bytes per second of rows whose rate is fixed
    double load = 0;  ///< weight of rows whose rate is not
    double full = 0;  ///< `load` at the start
    std::uint32_t open = 0;
  };
  using Level = std::pair<double, std::uint32_t>;  ///< the rate at which a channel is full, and the channel

  Level level(std::uint32_t channel) const;
  void sum_again(std::uint32_t channel, std::span<const double> rate);
  std::uint32_t fix_rows(std::uint32_t channel, double at, std::span<double> rate);

  const FlowRows& rows_;
  std::vector<std::uint32_t> first_;  ///< the rows on channel c are on_[first_[c]] to on_[first_[c + 1]]
  std::vector<std::uint32_t> on_;
  std::vector<Channel> channels_;
  std::vector<Level> heap_;
};

}  // namespace moesaic
