#include "sim/flows.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <limits>
#include <utility>

#include "base/error.hpp"
#include "sim/fair_rates.hpp"
#include "sim/flow_rows.hpp"
#include "sim/ranges.hpp"

namespace moesaic {

FlowProblem flow_problem(const Topology& topology, Routes&& routes, std::span<const Demanded> flows) {
  MOESAIC_ASSERT(routes.first.size() == flows.size() + 1 && routes.latency.size() == flows.size());
  FlowProblem problem;
  problem.capacity.resize(topology.channels());
  for (std::size_t link = 0; link < topology.links.size(); ++link) {
    problem.capacity[2 * link] = problem.capacity[2 * link + 1] = topology.links[link].bandwidth.value;
  }
  problem.bytes.reserve(flows.size());
  for (const Demanded& flow : flows) {
    problem.bytes.push_back(flow.bytes);
  }
  problem.latency.assign(routes.latency.begin(), routes.latency.end());
  problem.first = std::move(routes.first);
  problem.hops = std::move(routes.hops);
  return problem;
}

FlowProblem flow_problem(const Topology& topology, const Routes& routes, std::span<const Demanded> flows) {
  return flow_problem(topology, Routes(routes), flows);
}

void check_flows(const FlowProblem& problem) {
  const std::size_t flows = problem.flows();
  const auto is_per_flow = [&](const std::vector<double>& values) { return values.empty() || values.size() == flows; };
  MOESAIC_ASSERT(problem.first.size() == flows + 1 && problem.first.front() == 0);
  MOESAIC_ASSERT(problem.first.back() == problem.hops.size());
  MOESAIC_ASSERT(std::is_sorted(problem.first.begin(), problem.first.end()));
  MOESAIC_ASSERT(is_per_flow(problem.start) && is_per_flow(problem.latency) && is_per_flow(problem.multiplicity));
  std::atomic<bool> right = true;
  const auto check = [&](const auto& values, auto is_right) {
    for_ranges(values.size(), [&](std::size_t begin, std::size_t end) {
      bool all = true;
      for (std::size_t i = begin; i < end; ++i) {
        all &= is_right(values[i]);
      }
      if (!all) {
        right = false;
      }
    });
  };
  for (const auto* values : {&problem.bytes, &problem.start, &problem.latency}) {
    check(*values, [](double x) { return x >= 0 && x <= std::numeric_limits<double>::max(); });
  }
  check(problem.capacity, [](double x) { return x >= 0; });
  check(problem.multiplicity, [](double x) { return x > 0 && x <= std::numeric_limits<double>::max(); });
  check(problem.hops, [channels = problem.capacity.size()](const Routes::Hop& hop) {
    return hop.channel < channels && hop.share >= 0 && hop.share <= std::numeric_limits<float>::max();
  });
  MOESAIC_ASSERT(right);
}

void refuse_dead_channels(const FlowProblem& problem) {
  if (std::find(problem.capacity.begin(), problem.capacity.end(), 0) == problem.capacity.end()) {
    return;
  }
  for (std::size_t flow = 0; flow < problem.flows(); ++flow) {
    for (std::uint32_t i = problem.first[flow]; i < problem.first[flow + 1]; ++i) {
      const Routes::Hop& hop = problem.hops[i];
      if (problem.capacity[hop.channel] == 0 && hop.share > 0 && problem.bytes[flow] > 0) {
        throw UserError(fmt::format("flow {} has to cross channel {}, which has no bandwidth", flow, hop.channel));
      }
    }
  }
}

std::vector<double> max_min_rates(const FlowProblem& problem) {
  check_flows(problem);
  const FlowClasses classes = classify_flows(problem, std::vector<std::uint64_t>(problem.flows(), 1));
  std::vector<std::uint32_t> rows(classes.rows.size());
  FairRates fair_rates(classes.rows);
  for (std::uint32_t row = 0; row < rows.size(); ++row) {
    rows[row] = row;
    fair_rates.add(row);
  }
  fair_rates.solve(rows, 0);
  std::vector<double> rates(problem.flows(), std::numeric_limits<double>::infinity());
  for_ranges(rates.size(), [&](std::size_t begin, std::size_t end) {
    for (std::size_t flow = begin; flow < end; ++flow) {
      if (classes.row_of[flow] != FlowClasses::kNoRow) {
        rates[flow] = fair_rates.rates()[classes.row_of[flow]];
      }
    }
  });
  return rates;
}

Seconds busiest_channel(const FlowProblem& problem) {
  check_flows(problem);
  std::vector<double> bytes(problem.capacity.size());
  for (std::size_t flow = 0; flow < problem.flows(); ++flow) {
    const double all = problem.bytes[flow] * (problem.multiplicity.empty() ? 1 : problem.multiplicity[flow]);
    for (std::uint32_t i = problem.first[flow]; i < problem.first[flow + 1]; ++i) {
      bytes[problem.hops[i].channel] += all * problem.hops[i].share;
    }
  }
  double longest = 0;
  for (std::size_t channel = 0; channel < bytes.size(); ++channel) {
    if (bytes[channel] > 0) {
      longest = std::max(longest, bytes[channel] / problem.capacity[channel]);
    }
  }
  return Seconds{longest};
}

}  // namespace moesaic
