// Private to sim: max-min fair rates of rows, by progressive filling.
#pragma once

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "sim/flow_rows.hpp"

namespace moesaic {

/// All rates rise together; a channel that is full fixes those of the rows on it, the others go on (Bertsekas and
/// Gallager, "Data Networks", 6.5.2). Goes on from the last rates where rows come and go.
class FairRates {
 public:
  /// The rows must outlive this. None of them has a rate at first.
  explicit FairRates(const FlowRows& rows);

  void add(std::uint32_t row);
  void remove(std::uint32_t row);

  /// Works out the rates of the rows that were added, which `active` names. Those below `keep_below` stay as they were.
  /// Gives the others, until the next call.
  std::span<const std::uint32_t> solve(std::span<const std::uint32_t> active, double keep_below);

  /// By row; 0 for rows that were not added, and where a channel has no capacity.
  const std::vector<double>& rates() const { return rate_; }

 private:
  struct Channel {
    double used = 0;          ///< bytes per second of rows whose rate is fixed
    double load = 0;          ///< weight of rows whose rate is not
    double full = 0;          ///< `load` before this solving fixed any
    std::uint32_t open = 0;   ///< entries of rows whose rate is not fixed
    std::uint32_t count = 0;  ///< of all
  };
  using Level = std::pair<double, std::uint32_t>;  ///< the rate at which a channel is full, and the channel

  Level level(std::uint32_t channel) const;
  void mend(std::uint32_t channel);
  void fix(std::uint32_t row, double at);
  void open_rows(std::span<const std::uint32_t> active, double from);

  const FlowRows& rows_;
  std::vector<std::uint32_t> first_;  ///< the rows on channel c are on_[first_[c]] to on_[first_[c + 1]]
  std::vector<std::uint32_t> on_;
  std::vector<Channel> channels_;
  std::vector<double> rate_;
  std::size_t open_ = 0;  ///< rows whose rate is not fixed
  std::vector<std::uint32_t> fixed_;
  std::vector<Level> heap_;
};

}  // namespace moesaic
