// Private to sim: rows run by events: starts and ends.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "sim/fair_rates.hpp"
#include "sim/flow_rows.hpp"

namespace moesaic {

/// Times at which something happens, and what counts as one of them.
struct EventTimes {
  double now = 0;
  double origin = 0;     ///< first start of all flows
  double tolerance = 0;  ///< relative to the time since then
};

/// Rates are worked out at each event, but only where they may have changed.
class PartRun {
 public:
  static constexpr double kGoing = -1;  ///< instead of an end

  /// `left`: bytes of one flow of each row; `release`: when its first byte moves. The rows must outlive this.
  PartRun(const FlowRows& rows, std::vector<double> left, std::vector<double> release, const EventTimes& times);

  /// Runs until all rows have ended, or so many that the others may have come apart.
  void run();

  double now() const { return times_.now; }
  std::size_t events() const { return events_; }
  const std::vector<double>& end() const { return end_; }    ///< seconds, or kGoing
  const std::vector<double>& left() const { return left_; }  ///< bytes of what is going, now

 private:
  void start_released();
  void set_rates();
  double next_event() const;
  void end_until(double limit);
  void settle(std::uint32_t row);

  EventTimes times_;
  FairRates fair_rates_;
  std::vector<double> left_;  ///< at since_
  std::vector<double> since_;
  std::vector<double> speed_;  ///< since then
  std::vector<double> finish_;
  std::vector<double> release_;
  std::vector<double> end_;
  std::vector<std::uint32_t> waiting_;  ///< rows by release
  std::size_t next_ = 0;                ///< of them
  std::vector<std::uint32_t> active_;
  double keep_below_ = 0;  ///< rates that the last event did not change
  std::size_t events_ = 0;
};

}  // namespace moesaic
