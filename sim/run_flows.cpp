// Runs flows by events. Parts that share no channel run apart, and what is left of a part is taken apart again.
#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <numeric>

#include "base/error.hpp"
#include "sim/fair_rates.hpp"
#include "sim/flow_rows.hpp"
#include "sim/flows.hpp"

namespace moesaic {
namespace {

constexpr std::size_t kSmallPart = 32;  // rows; taking it apart again costs more than it saves

/// Rows that share channels only with each other, from a moment on.
struct Part {
  std::vector<std::uint32_t> rows;
  double now = 0;
};

class Simulation {
 public:
  /// `left`: bytes of one flow of each row; `release`: when its first byte moves.
  Simulation(const FlowRows& rows, std::vector<double> left, std::vector<double> release, double tolerance)
      : rows_(rows),
        tolerance_(tolerance),
        left_(std::move(left)),
        release_(std::move(release)),
        end_(rows.size()),
        parent_(rows.capacity.size()),
        number_(rows.capacity.size()) {}

  std::vector<double> run() {
    if (rows_.size() > 0) {
      origin_ = *std::min_element(release_.begin(), release_.end());
      Part all{std::vector<std::uint32_t>(rows_.size()), origin_};
      std::iota(all.rows.begin(), all.rows.end(), 0U);
      take_apart(all);
    }
    while (!parts_.empty()) {
      const Part part = std::move(parts_.back());
      parts_.pop_back();
      run_part(part);
    }
    return std::move(end_);
  }

  std::size_t events() const { return events_; }

 private:
  std::uint32_t root(std::uint32_t channel) {
    while (parent_[channel] != channel) {
      channel = parent_[channel] = parent_[parent_[channel]];
    }
    return channel;
  }

  void take_apart(const Part& part) {
    for (const std::uint32_t row : part.rows) {
      for (std::uint32_t i = rows_.first[row]; i < rows_.first[row + 1]; ++i) {
        parent_[rows_.channel[i]] = rows_.channel[i];
      }
    }
    for (const std::uint32_t row : part.rows) {
      const std::uint32_t first = root(rows_.channel[rows_.first[row]]);
      for (std::uint32_t i = rows_.first[row] + 1; i < rows_.first[row + 1]; ++i) {
        parent_[root(rows_.channel[i])] = first;
      }
    }
    constexpr std::uint32_t kNone = std::numeric_limits<std::uint32_t>::max();
    for (const std::uint32_t row : part.rows) {
      number_[root(rows_.channel[rows_.first[row]])] = kNone;
    }
    for (const std::uint32_t row : part.rows) {
      std::uint32_t& number = number_[root(rows_.channel[rows_.first[row]])];
      if (number == kNone) {
        number = static_cast<std::uint32_t>(parts_.size());
        parts_.push_back({{}, part.now});
      }
      parts_[number].rows.push_back(row);
    }
  }

  /// The rows of a part on their own, with channels numbered anew.
  FlowRows rows_of(const Part& part) {
    FlowRows result;
    for (const std::uint32_t row : part.rows) {
      for (std::uint32_t i = rows_.first[row]; i < rows_.first[row + 1]; ++i) {
        number_[rows_.channel[i]] = std::numeric_limits<std::uint32_t>::max();
      }
    }
    for (const std::uint32_t row : part.rows) {
      for (std::uint32_t i = rows_.first[row]; i < rows_.first[row + 1]; ++i) {
        std::uint32_t& number = number_[rows_.channel[i]];
        if (number == std::numeric_limits<std::uint32_t>::max()) {
          number = static_cast<std::uint32_t>(result.capacity.size());
          result.capacity.push_back(rows_.capacity[rows_.channel[i]]);
        }
        result.add(number, rows_.weight[i]);
      }
      result.end_row();
    }
    return result;
  }

  /// Until its flows have ended, or half of them; then the rest is taken apart.
  void run_part(const Part& part) {
    const FlowRows rows = rows_of(part);
    const std::size_t count = part.rows.size();
    FairRates fair_rates(rows);
    std::vector<double> left(count);
    std::vector<double> release(count);
    std::vector<double> rate(count);
    std::vector<double> finish(count);
    std::vector<std::uint32_t> waiting(count);
    for (std::uint32_t i = 0; i < count; ++i) {
      left[i] = left_[part.rows[i]];
      release[i] = release_[part.rows[i]];
      waiting[i] = i;
    }
    std::stable_sort(waiting.begin(), waiting.end(),
                     [&](std::uint32_t a, std::uint32_t b) { return release[a] < release[b]; });
    std::vector<std::uint32_t> active;
    std::size_t next = 0;
    double now = part.now;
    double keep_below = 0;
    for (std::size_t done = 0; done < count;) {
      if (active.empty()) {
        now = std::max(now, release[waiting[next]]);
      }
      for (; next < count && release[waiting[next]] <= now; ++next) {
        active.push_back(waiting[next]);
        keep_below = 0;
      }
      fair_rates.solve(active, keep_below, rate);
      ++events_;

      double first = next < count ? release[waiting[next]] : std::numeric_limits<double>::infinity();
      for (const std::uint32_t i : active) {
        finish[i] = now + left[i] / rate[i];
        first = std::min(first, finish[i]);
      }
      MOESAIC_ASSERT(first < std::numeric_limits<double>::infinity());
      // What counts as one is over when the last of it is, so that no channel carries more than it can.
      const double limit = first + tolerance_ * (first - origin_);
      double last = first;
      for (const std::uint32_t i : active) {
        last = finish[i] <= limit ? std::max(last, finish[i]) : last;
      }
      for (std::size_t i = next; i < count && release[waiting[i]] <= limit; ++i) {
        last = std::max(last, release[waiting[i]]);
      }
      keep_below = std::numeric_limits<double>::infinity();
      std::size_t going = 0;
      for (const std::uint32_t i : active) {
        if (finish[i] <= limit) {
          end_[part.rows[i]] = finish[i];
          keep_below = std::min(keep_below, rate[i]);
          left[i] = -1;
          ++done;
        } else {
          left[i] -= rate[i] * (last - now);
          active[going++] = i;
        }
      }
      active.resize(going);
      // Without the flows that ended, all rates rise together as before until the slowest of these was fixed.
      keep_below *= 1 - 1e-9;
      now = last;
      if (count - done > kSmallPart && 2 * done >= count) {
        take_apart(rest_of(part, left, now));
        return;
      }
    }
  }

  Part rest_of(const Part& part, const std::vector<double>& left, double now) {
    Part rest{{}, now};
    for (std::size_t i = 0; i < left.size(); ++i) {
      if (left[i] >= 0) {
        left_[part.rows[i]] = left[i];
        rest.rows.push_back(part.rows[i]);
      }
    }
    return rest;
  }

  const FlowRows& rows_;
  double tolerance_;
  double origin_ = 0;
  std::vector<double> left_;
  std::vector<double> release_;
  std::vector<double> end_;
  std::vector<Part> parts_;
  std::vector<std::uint32_t> parent_;  ///< of channels, in the forest that finds parts
  std::vector<std::uint32_t> number_;  ///< of channels in a part, or of the part of a root
  std::size_t events_ = 0;
};

}  // namespace

FlowTimes run_flows(const FlowProblem& problem, double tolerance) {
  check_flows(problem);
  refuse_dead_channels(problem);
  FlowTimes times;
  std::vector<std::uint64_t> labels(problem.flows());
  times.end.resize(problem.flows());
  for (std::size_t flow = 0; flow < problem.flows(); ++flow) {
    const double release = release_time(problem, flow);
    times.end[flow] = release;
    if (problem.bytes[flow] > 0) {
      const auto bytes = mix_bits(std::bit_cast<std::uint64_t>(problem.bytes[flow]));
      labels[flow] = std::max<std::uint64_t>(1, mix_bits(bytes + std::bit_cast<std::uint64_t>(release)));
    }
  }
  const FlowClasses classes = classify_flows(problem, std::move(labels));
  std::vector<double> bytes(classes.rows.size());
  std::vector<double> release(classes.rows.size());
  for (std::size_t flow = 0; flow < problem.flows(); ++flow) {
    if (const std::uint32_t row = classes.row_of[flow]; row != FlowClasses::kNoRow) {
      bytes[row] = problem.bytes[flow];
      release[row] = times.end[flow];
    }
  }
  Simulation simulation(classes.rows, std::move(bytes), std::move(release), tolerance);
  const std::vector<double> end = simulation.run();
  for (std::size_t flow = 0; flow < problem.flows(); ++flow) {
    if (const std::uint32_t row = classes.row_of[flow]; row != FlowClasses::kNoRow) {
      times.end[flow] = end[row];
    }
    times.total = Seconds{std::max(times.total.value, times.end[flow])};
  }
  times.events = simulation.events();
  return times;
}

}  // namespace moesaic
