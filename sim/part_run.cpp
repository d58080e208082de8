#include "sim/part_run.hpp"

#include <algorithm>
#include <limits>
#include <numeric>

#include "base/error.hpp"

namespace moesaic {
namespace {

constexpr double kNever = std::numeric_limits<double>::infinity();
constexpr std::size_t kSmall = 32;  // rows; looking whether they came apart costs more than it saves

}  // namespace

PartRun::PartRun(const FlowRows& rows, std::vector<double> left, std::vector<double> release, const EventTimes& times)
    : times_(times),
      fair_rates_(rows),
      left_(std::move(left)),
      since_(rows.size()),
      speed_(rows.size()),
      finish_(rows.size()),
      release_(std::move(release)),
      end_(rows.size(), kGoing),
      waiting_(rows.size()) {
  std::iota(waiting_.begin(), waiting_.end(), 0U);
  std::stable_sort(waiting_.begin(), waiting_.end(),
                   [&](std::uint32_t a, std::uint32_t b) { return release_[a] < release_[b]; });
}

void PartRun::run() {
  const std::size_t count = end_.size();
  std::size_t going = count;
  while (going > 0 && (going <= kSmall || 2 * going > count)) {
    if (active_.empty()) {
      times_.now = std::max(times_.now, release_[waiting_[next_]]);
    }
    start_released();
    set_rates();
    const double first = next_event();
    MOESAIC_ASSERT(first < kNever);
    end_until(first + times_.tolerance * (first - times_.origin));
    going = active_.size() + count - next_;
  }
  for (const std::uint32_t row : active_) {
    settle(row);
  }
}

/// What moved at the old rate has moved.
void PartRun::settle(std::uint32_t row) {
  left_[row] -= speed_[row] * (times_.now - since_[row]);
  since_[row] = times_.now;
}

void PartRun::start_released() {
  for (; next_ < waiting_.size() && release_[waiting_[next_]] <= times_.now; ++next_) {
    const std::uint32_t row = waiting_[next_];
    active_.push_back(row);
    fair_rates_.add(row);
    since_[row] = times_.now;
    keep_below_ = 0;
  }
}

void PartRun::set_rates() {
  for (const std::uint32_t row : fair_rates_.solve(active_, keep_below_)) {
    settle(row);
    speed_[row] = fair_rates_.rates()[row];
    finish_[row] = times_.now + left_[row] / speed_[row];
  }
  ++events_;
}

double PartRun::next_event() const {
  double first = next_ < waiting_.size() ? release_[waiting_[next_]] : kNever;
  for (const std::uint32_t row : active_) {
    first = std::min(first, finish_[row]);
  }
  return first;
}

/// What counts as one is over when the last of it is, so that no channel carries more than it can.
void PartRun::end_until(double limit) {
  double last = times_.now;
  double slowest = kNever;
  std::size_t going = 0;
  for (const std::uint32_t row : active_) {
    if (finish_[row] > limit) {
      active_[going++] = row;
      continue;
    }
    end_[row] = finish_[row];
    last = std::max(last, finish_[row]);
    slowest = std::min(slowest, speed_[row]);
    fair_rates_.remove(row);
  }
  active_.resize(going);
  for (std::size_t i = next_; i < waiting_.size() && release_[waiting_[i]] <= limit; ++i) {
    last = std::max(last, release_[waiting_[i]]);
  }
  times_.now = last;
  // Without the flows that ended, all rates rise together as before until the slowest of these was fixed.
  keep_below_ = slowest * (1 - 1e-9);
}

}  // namespace moesaic
