// What holds for max-min fair flows whatever the network, and the same answers from a solver that is slow and plain.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

#include "sim/flows.hpp"
#include "tests/sim/flow_networks.hpp"
#include "tests/sim/rounding.hpp"

namespace moesaic {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

bool near(double a, double b) { return std::abs(a - b) <= kRounding * std::max(std::abs(a), std::abs(b)); }

double multiplicity(const FlowProblem& problem, std::size_t flow) {
  return problem.multiplicity.empty() ? 1 : problem.multiplicity[flow];
}

/// What every flow takes of every channel at a rate of 1.
std::vector<std::vector<double>> weights(const FlowProblem& problem) {
  std::vector<std::vector<double>> matrix(problem.flows(), std::vector<double>(problem.capacity.size()));
  for (std::size_t flow = 0; flow < problem.flows(); ++flow) {
    for (std::uint32_t i = problem.first[flow]; i < problem.first[flow + 1]; ++i) {
      matrix[flow][problem.hops[i].channel] += problem.hops[i].share * multiplicity(problem, flow);
    }
  }
  return matrix;
}

/// Progressive filling by its definition, on the whole matrix.
std::vector<double> plain_rates(const FlowProblem& problem, std::vector<bool> open) {
  const auto matrix = weights(problem);
  std::vector<double> rates(problem.flows(), 0);
  std::vector<double> left = problem.capacity;
  while (true) {
    double level = kInfinity;
    std::size_t full = 0;
    for (std::size_t c = 0; c < left.size(); ++c) {
      double load = 0;
      for (std::size_t flow = 0; flow < rates.size(); ++flow) {
        load += open[flow] ? matrix[flow][c] : 0;
      }
      if (load > 0 && left[c] / load < level) {
        level = left[c] / load;
        full = c;
      }
    }
    if (level == kInfinity) {
      return rates;
    }
    for (std::size_t flow = 0; flow < rates.size(); ++flow) {
      if (open[flow] && matrix[flow][full] > 0) {
        open[flow] = false;
        rates[flow] = level;
        for (std::size_t c = 0; c < left.size(); ++c) {
          left[c] = std::max(0.0, left[c] - matrix[flow][c] * level);
        }
      }
    }
  }
}

/// All rates anew at every start and end. Flows must have bytes and hops.
std::vector<double> plain_ends(const FlowProblem& problem) {
  std::vector<double> left = problem.bytes;
  std::vector<double> end(problem.flows(), kInfinity);
  const auto release = [&](std::size_t flow) { return problem.start[flow] + problem.latency[flow]; };
  for (double now = 0; std::find(end.begin(), end.end(), kInfinity) != end.end();) {
    std::vector<bool> open(problem.flows());
    double next = kInfinity;
    for (std::size_t flow = 0; flow < open.size(); ++flow) {
      open[flow] = release(flow) <= now && end[flow] == kInfinity;
      if (release(flow) > now) {
        next = std::min(next, release(flow));
      }
    }
    const std::vector<double> rates = plain_rates(problem, open);
    for (std::size_t flow = 0; flow < open.size(); ++flow) {
      if (open[flow]) {
        next = std::min(next, now + left[flow] / rates[flow]);
      }
    }
    for (std::size_t flow = 0; flow < open.size(); ++flow) {
      if (open[flow]) {
        left[flow] -= rates[flow] * (next - now);
        if (left[flow] <= 1e-12 * problem.bytes[flow]) {
          end[flow] = next;
        }
      }
    }
    now = next;
  }
  return end;
}

/// Every flow crosses at least one channel. Few different figures, so that ties and equal flows are common.
FlowProblem any_problem() {
  std::mt19937_64 random(*rc::gen::arbitrary<std::uint64_t>());
  const auto below = [&](std::uint64_t n) { return static_cast<std::uint32_t>(random() % n); };
  FlowProblem problem;
  problem.capacity.resize(1 + below(8));
  for (double& capacity : problem.capacity) {
    capacity = 1 + below(4);
  }
  problem.first.push_back(0);
  const std::uint32_t flows = 1 + below(24);
  constexpr float kShares[] = {1, 1, 1, 0.5F, 0.25F, 1.0F / 3};
  for (std::uint32_t flow = 0; flow < flows; ++flow) {
    const std::uint32_t hops = 1 + below(4);
    for (std::uint32_t i = 0; i < hops; ++i) {
      problem.hops.push_back({below(problem.capacity.size()), kShares[below(6)]});
    }
    problem.first.push_back(static_cast<std::uint32_t>(problem.hops.size()));
    problem.bytes.push_back(1 + below(5));
    problem.start.push_back(below(4));
    problem.latency.push_back(0.125 * below(3));
    problem.multiplicity.push_back(1 + below(3));
  }
  return problem;
}

/// Flow `from[i]` of a problem becomes flow i.
FlowProblem picked(const FlowProblem& problem, const std::vector<std::size_t>& from) {
  FlowProblem result;
  result.capacity = problem.capacity;
  result.first.push_back(0);
  for (const std::size_t flow : from) {
    result.hops.insert(result.hops.end(), problem.hops.begin() + problem.first[flow],
                       problem.hops.begin() + problem.first[flow + 1]);
    result.first.push_back(static_cast<std::uint32_t>(result.hops.size()));
    result.bytes.push_back(problem.bytes[flow]);
    result.start.push_back(problem.start[flow]);
    result.latency.push_back(problem.latency[flow]);
    result.multiplicity.push_back(problem.multiplicity[flow]);
  }
  return result;
}

RC_GTEST_PROP(MaxMinRates, NoChannelIsOverfullAndEveryFlowHasABottleneck, ()) {
  const FlowProblem problem = any_problem();
  const std::vector<double> rates = max_min_rates(problem);
  const auto matrix = weights(problem);
  std::vector<double> load(problem.capacity.size());
  std::vector<double> fastest(problem.capacity.size());
  for (std::size_t flow = 0; flow < rates.size(); ++flow) {
    for (std::size_t c = 0; c < load.size(); ++c) {
      load[c] += matrix[flow][c] * rates[flow];
      fastest[c] = matrix[flow][c] > 0 ? std::max(fastest[c], rates[flow]) : fastest[c];
    }
  }
  for (std::size_t c = 0; c < load.size(); ++c) {
    RC_ASSERT(load[c] <= problem.capacity[c] * (1 + kRounding));
  }
  for (std::size_t flow = 0; flow < rates.size(); ++flow) {
    bool held = false;
    for (std::size_t c = 0; c < load.size(); ++c) {
      held |= matrix[flow][c] > 0 && near(load[c], problem.capacity[c]) && near(rates[flow], fastest[c]);
    }
    RC_ASSERT(held);
  }
}

RC_GTEST_PROP(MaxMinRates, AreThoseOfPlainFilling, ()) {
  const FlowProblem problem = any_problem();
  const std::vector<double> rates = max_min_rates(problem);
  const std::vector<double> expected = plain_rates(problem, std::vector<bool>(problem.flows(), true));
  for (std::size_t flow = 0; flow < rates.size(); ++flow) {
    RC_ASSERT(near(rates[flow], expected[flow]));
  }
}

RC_GTEST_PROP(RunFlows, EndsAreThoseOfPlainFilling, ()) {
  const FlowProblem problem = any_problem();
  const FlowTimes times = run_flows(problem);
  const std::vector<double> expected = plain_ends(problem);
  for (std::size_t flow = 0; flow < expected.size(); ++flow) {
    RC_ASSERT(near(times.end[flow], expected[flow]));
  }
  RC_ASSERT(times.total.value == *std::max_element(times.end.begin(), times.end.end()));
}

// Large enough for the rest of a part to be taken apart: leaves in pairs that share no channel, different sizes.
TEST(RunFlows, EndsAreThoseOfPlainFillingWhenPartsComeApart) {
  FlowProblem problem = problem_of(leaf_spine_network(3, 4, 2, 10), random_sizes(12, 10, 5));
  for (const TestFlow& flow : random_sizes(8, 20, 6)) {
    problem.hops.push_back({static_cast<std::uint32_t>(problem.capacity.size()) + flow.source / 2});
    problem.first.push_back(static_cast<std::uint32_t>(problem.hops.size()));
    problem.bytes.push_back(flow.bytes);
    problem.start.push_back(flow.destination);
  }
  problem.capacity.insert(problem.capacity.end(), {1, 2, 3, 4});
  problem.latency.assign(problem.flows(), 0);
  const FlowTimes times = run_flows(problem);
  const std::vector<double> expected = plain_ends(problem);
  for (std::size_t flow = 0; flow < expected.size(); ++flow) {
    EXPECT_NEAR(times.end[flow], expected[flow], kRounding * expected[flow]);
  }
}

RC_GTEST_PROP(RunFlows, NoScheduleBeatsTheBusiestChannel, ()) {
  FlowProblem problem = any_problem();
  problem.start.clear();
  problem.latency.clear();
  RC_ASSERT(run_flows(problem).total >= busiest_channel(problem) * (1 - kRounding));
}

// One channel is never idle while there is something to send.
RC_GTEST_PROP(RunFlows, OneChannelConservesWork, ()) {
  FlowProblem problem = any_problem();
  problem.capacity = {problem.capacity[0]};
  std::vector<std::size_t> order(problem.flows());
  for (std::size_t flow = 0; flow < order.size(); ++flow) {
    order[flow] = flow;
  }
  for (Routes::Hop& hop : problem.hops) {
    hop.channel = 0;
  }
  const auto release = [&](std::size_t flow) { return problem.start[flow] + problem.latency[flow]; };
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return release(a) < release(b); });
  const auto matrix = weights(problem);
  double busy_until = 0;
  for (const std::size_t flow : order) {
    busy_until = std::max(busy_until, release(flow)) + problem.bytes[flow] * matrix[flow][0] / problem.capacity[0];
  }
  RC_ASSERT(near(run_flows(problem).total.value, busy_until));
}

RC_GTEST_PROP(RunFlows, TheOrderOfFlowsDoesNotMatter, ()) {
  const FlowProblem problem = any_problem();
  std::vector<std::size_t> order(problem.flows());
  for (std::size_t flow = 0; flow < order.size(); ++flow) {
    order[flow] = flow;
  }
  std::shuffle(order.begin(), order.end(), std::mt19937_64(*rc::gen::arbitrary<std::uint64_t>()));
  const FlowTimes times = run_flows(problem);
  const FlowTimes shuffled = run_flows(picked(problem, order));
  for (std::size_t i = 0; i < order.size(); ++i) {
    RC_ASSERT(near(shuffled.end[i], times.end[order[i]]));
  }
}

RC_GTEST_PROP(RunFlows, MultiplicityIsThatManyCopies, ()) {
  const FlowProblem problem = any_problem();
  std::vector<std::size_t> copies;
  for (std::size_t flow = 0; flow < problem.flows(); ++flow) {
    copies.insert(copies.end(), static_cast<std::size_t>(problem.multiplicity[flow]), flow);
  }
  FlowProblem written_out = picked(problem, copies);
  written_out.multiplicity.clear();
  const FlowTimes times = run_flows(problem);
  const FlowTimes copied = run_flows(written_out);
  for (std::size_t i = 0; i < copies.size(); ++i) {
    RC_ASSERT(near(copied.end[i], times.end[copies[i]]));
  }
  RC_ASSERT(near(busiest_channel(written_out).value, busiest_channel(problem).value));
}

// Equal copies of a network side by side fold into one of them.
RC_GTEST_PROP(RunFlows, CopiesOfANetworkTakeAsLongAsOne, ()) {
  const FlowProblem problem = any_problem();
  std::vector<std::size_t> thrice;
  for (std::size_t i = 0; i < 3 * problem.flows(); ++i) {
    thrice.push_back(i % problem.flows());
  }
  FlowProblem copies = picked(problem, thrice);
  for (std::size_t i = 0; i < copies.hops.size(); ++i) {
    copies.hops[i].channel += static_cast<std::uint32_t>(i / problem.hops.size() * problem.capacity.size());
  }
  for (int i = 0; i < 2; ++i) {
    copies.capacity.insert(copies.capacity.end(), problem.capacity.begin(), problem.capacity.end());
  }
  const FlowTimes times = run_flows(problem);
  const FlowTimes of_copies = run_flows(copies);
  for (std::size_t i = 0; i < thrice.size(); ++i) {
    RC_ASSERT(near(of_copies.end[i], times.end[thrice[i]]));
  }
  RC_ASSERT(of_copies.events <= 3 * times.events);
}

RC_GTEST_PROP(RunFlows, TwiceTheBandwidthIsHalfTheTime, ()) {
  FlowProblem problem = any_problem();
  problem.start.clear();
  problem.latency.clear();
  const double total = run_flows(problem).total.value;
  for (double& capacity : problem.capacity) {
    capacity *= 2;
  }
  RC_ASSERT(near(2 * run_flows(problem).total.value, total));
}

// Where all flows share one channel and start together, more of it slows none. (On a network it may: flows that were
// held up elsewhere then take from others.)
RC_GTEST_PROP(RunFlows, AWiderChannelSlowsNoFlowOnIt, ()) {
  FlowProblem problem = any_problem();
  problem.start.assign(problem.flows(), 0);
  for (Routes::Hop& hop : problem.hops) {
    hop.channel = 0;
  }
  const FlowTimes times = run_flows(problem);
  problem.capacity[0] *= 1.5;
  const FlowTimes wider = run_flows(problem);
  for (std::size_t flow = 0; flow < problem.flows(); ++flow) {
    RC_ASSERT(wider.end[flow] <= times.end[flow] * (1 + kRounding));
  }
}

// Sizes that differ in the eleventh digit keep every flow in a row of its own.
TEST(RunFlows, FoldedFlowsTakeAsLongAsEachOnItsOwn) {
  for (const FlowNetwork& network :
       {star_network(24, 50e9), leaf_spine_network(4, 8, 4, 50e9), torus_network({4, 4}, 50e9),
        torus_network({3, 3, 3}, 50e9), multi_plane_network(4, 4, 160e9, 50e9), dragonfly_network(4, 2, 2, 50e9)}) {
    Pattern pattern = all_to_all(network.ranks, 1e6);
    const FlowTimes folded = run_flows(problem_of(network, pattern));
    for (std::size_t i = 0; i < pattern.size(); ++i) {
      pattern[i].bytes *= 1 + 1e-11 * static_cast<double>(i % 97);
    }
    const FlowTimes alone = run_flows(problem_of(network, pattern));
    EXPECT_NEAR(folded.total.value, alone.total.value, 5e-9 * alone.total.value) << network.name;
  }
}

}  // namespace
}  // namespace moesaic
