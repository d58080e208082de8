// Runs flows by events. Parts that share no channel run apart, and what is left of a part is taken apart again.
#include <algorithm>
#include <bit>
#include <numeric>

#include "sim/flow_parts.hpp"
#include "sim/flow_rows.hpp"
#include "sim/flows.hpp"
#include "sim/part_run.hpp"
#include "sim/ranges.hpp"

namespace moesaic {
namespace {

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
        apart_(rows) {}

  std::vector<double> run() {
    if (rows_.size() > 0) {
      origin_ = *std::min_element(release_.begin(), release_.end());
      std::vector<std::uint32_t> all(rows_.size());
      std::iota(all.begin(), all.end(), 0U);
      take_apart(all, origin_);
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
  void take_apart(const std::vector<std::uint32_t>& rows, double now) {
    for (std::vector<std::uint32_t>& part : apart_.parts(rows)) {
      parts_.push_back({std::move(part), now});
    }
  }

  void run_part(const Part& part) {
    const FlowRows rows = apart_.only(part.rows);
    std::vector<double> left;
    std::vector<double> release;
    for (const std::uint32_t row : part.rows) {
      left.push_back(left_[row]);
      release.push_back(release_[row]);
    }
    PartRun run(rows, std::move(left), std::move(release), {part.now, origin_, tolerance_});
    run.run();
    events_ += run.events();
    std::vector<std::uint32_t> rest;
    for (std::size_t i = 0; i < part.rows.size(); ++i) {
      end_[part.rows[i]] = run.end()[i];
      if (run.end()[i] == PartRun::kGoing) {
        left_[part.rows[i]] = run.left()[i];
        rest.push_back(part.rows[i]);
      }
    }
    take_apart(rest, run.now());
  }

  const FlowRows& rows_;
  double tolerance_;
  double origin_ = 0;
  std::vector<double> left_;
  std::vector<double> release_;
  std::vector<double> end_;
  std::vector<Part> parts_;
  FlowParts apart_;
  std::size_t events_ = 0;
};

}  // namespace

FlowTimes run_flows(const FlowProblem& problem, double tolerance) {
  check_flows(problem);
  refuse_dead_channels(problem);
  FlowTimes times;
  std::vector<std::uint64_t> labels(problem.flows());
  times.end.resize(problem.flows());
  for_ranges(problem.flows(), [&](std::size_t begin, std::size_t end) {
    for (std::size_t flow = begin; flow < end; ++flow) {
      const double release = release_time(problem, flow);
      times.end[flow] = release;
      if (problem.bytes[flow] > 0) {
        const auto bytes = mix_bits(std::bit_cast<std::uint64_t>(problem.bytes[flow]));
        labels[flow] = std::max<std::uint64_t>(1, mix_bits(bytes + std::bit_cast<std::uint64_t>(release)));
      }
    }
  });
  const FlowClasses classes = classify_flows(problem, std::move(labels));
  std::vector<double> bytes;
  std::vector<double> release;
  for (const std::uint32_t flow : classes.representative) {
    bytes.push_back(problem.bytes[flow]);
    release.push_back(times.end[flow]);
  }
  Simulation simulation(classes.rows, std::move(bytes), std::move(release), tolerance);
  const std::vector<double> row_ends = simulation.run();
  for_ranges(problem.flows(), [&](std::size_t begin, std::size_t end) {
    for (std::size_t flow = begin; flow < end; ++flow) {
      if (const std::uint32_t row = classes.row_of[flow]; row != FlowClasses::kNoRow) {
        times.end[flow] = row_ends[row];
      }
    }
  });
  for (const double end : times.end) {
    times.total = std::max(times.total, Seconds{end});
  }
  times.events = simulation.events();
  return times;
}

}  // namespace moesaic
