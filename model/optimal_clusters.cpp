// Which experts of a layer share a rank: the first of MoETuner's programs.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numeric>

#include "base/error.hpp"
#include "model/optimal_placement.hpp"
#include "model/packing.hpp"

namespace moesaic {
namespace {

constexpr std::size_t kMostClusterColumns = 4000;  // a root relaxation beyond takes CBC minutes

constexpr double kLeastGainOfMean = 1e-9;  // of the mean: less may be rounding

double deviation(const std::vector<Indices>& clusters, std::span<const double> loads, double mean) {
  double sum = 0;
  for (const Indices& cluster : clusters) {
    double load = 0;
    for (const std::size_t e : cluster) {
      load += loads[e];
    }
    sum += std::abs(load - mean);
  }
  return sum;
}

/// Swaps any two experts while that lowers the deviation of their clusters.
void improve(std::vector<Indices>& clusters, std::span<const double> loads, double mean) {
  std::vector<double> sums(clusters.size());
  std::transform(clusters.begin(), clusters.end(), sums.begin(), [&](const Indices& cluster) {
    return std::transform_reduce(cluster.begin(), cluster.end(), 0.0, std::plus<>(),
                                 [&](std::size_t e) { return loads[e]; });
  });
  for (bool improved = true; improved;) {
    improved = false;
    for (std::size_t a = 0; a < clusters.size(); ++a) {
      for (std::size_t b = a + 1; b < clusters.size(); ++b) {
        for (std::size_t& mine : clusters[a]) {
          for (std::size_t& theirs : clusters[b]) {
            const double moved = loads[mine] - loads[theirs];
            const double before = std::abs(sums[a] - mean) + std::abs(sums[b] - mean);
            const double after = std::abs(sums[a] - moved - mean) + std::abs(sums[b] + moved - mean);
            if (after < before - kLeastGainOfMean * mean) {
              std::swap(mine, theirs);
              sums[a] -= moved;
              sums[b] += moved;
              improved = true;
            }
          }
        }
      }
    }
  }
}

/// Deviations add up to zero, so all together are at least twice those above the mean, and twice any one below it. An
/// expert lifts its cluster at least to its load and that of the lightest others. Several in one cluster lift it by no
/// less than each alone: an expert more replaces a light one, and the lightest `size` together are at most the mean.
double simple_bound(std::span<const double> sorted, std::size_t size, double mean) {
  const auto others = static_cast<std::ptrdiff_t>(size) - 1;
  const double lightest = std::accumulate(sorted.end() - others, sorted.end(), 0.0);
  const double heaviest = std::accumulate(sorted.begin(), sorted.begin() + others, 0.0);
  double above = 0;
  for (const double load : sorted) {
    above += std::max(load + lightest - mean, 0.0);
  }
  return 2 * std::max(above, mean - sorted.back() - heaviest);
}

/// x[e, c]: expert e, counted from the heaviest, is in cluster c; then over[c], under[c]: load beyond and below the
/// mean. Clusters are alike, so expert e is in one of the first e + 1.
IntegerProgram program_of(std::span<const double> sorted, std::size_t clusters, double mean) {
  IntegerProgram program;
  for (std::size_t e = 0; e < sorted.size(); ++e) {
    IntegerProgram::Row once{{}, {}, 1, 1};
    for (std::size_t c = 0; c < clusters; ++c) {
      once.columns.push_back(program.add({.upper = c <= e ? 1.0 : 0.0, .whole = true}));
      once.factors.push_back(1);
    }
    program.rows.push_back(std::move(once));
  }
  const std::size_t held = sorted.size() / clusters;
  const auto size = static_cast<double>(held);
  for (std::size_t c = 0; c < clusters; ++c) {
    IntegerProgram::Row full{{}, {}, size, size}, load{{}, {}, mean, mean};
    for (std::size_t e = 0; e < sorted.size(); ++e) {
      const int column = static_cast<int>(e * clusters + c);
      full.columns.push_back(column);
      full.factors.push_back(1);
      load.columns.push_back(column);
      load.factors.push_back(sorted[e]);
    }
    for (const double sign : {-1.0, 1.0}) {
      load.columns.push_back(program.add({.upper = static_cast<double>(clusters) * mean, .objective = 1}));
      load.factors.push_back(sign);
    }
    program.rows.push_back(std::move(full));
    program.rows.push_back(std::move(load));
  }
  return program;
}

std::vector<double> start_of(std::vector<Indices> clusters, std::span<const double> sorted, double mean) {
  for (Indices& cluster : clusters) {
    std::sort(cluster.begin(), cluster.end());
  }
  std::sort(clusters.begin(), clusters.end());  // as the program breaks the symmetry
  std::vector<double> start(sorted.size() * clusters.size(), 0.0);
  for (std::size_t c = 0; c < clusters.size(); ++c) {
    double load = -mean;
    for (const std::size_t e : clusters[c]) {
      start[e * clusters.size() + c] = 1;
      load += sorted[e];
    }
    start.push_back(std::max(load, 0.0));
    start.push_back(std::max(-load, 0.0));
  }
  return start;
}

}  // namespace

ExpertClusters optimal_clusters(std::span<const double> loads, std::int64_t clusters, const OptimalOptions& options) {
  const auto count = static_cast<std::size_t>(clusters);
  if (clusters < 1 || loads.size() % count != 0 || loads.empty()) {
    throw UserError(fmt::format(
        "optimal placement: {} experts do not divide into {} ranks; it holds no expert twice and fills all ranks alike",
        loads.size(), clusters));
  }
  const std::size_t size = loads.size() / count;
  const double total = std::accumulate(loads.begin(), loads.end(), 0.0), mean = total / static_cast<double>(count);
  const Indices order = heaviest_first(loads);
  std::vector<double> sorted;
  for (const std::size_t e : order) {
    sorted.push_back(loads[e]);
  }
  const double enough = options.gap * total;
  std::vector<Indices> best = pack(sorted, count);
  improve(best, sorted, mean);
  ExpertClusters result;
  result.deviation = {deviation(best, sorted, mean), size == 1 ? 0 : simple_bound(sorted, size, mean)};
  if (size == 1 || count == 1) {
    result.deviation.bound = result.deviation.value;
  } else if (result.deviation.value - result.deviation.bound > enough && sorted.size() * count <= kMostClusterColumns) {
    const ProgramSolution solution = solve(program_of(sorted, count, mean), start_of(best, sorted, mean),
                                           {.seconds = options.seconds, .nodes = options.nodes, .gap = enough});
    result.in_time = solution.in_time;
    result.deviation.bound = std::max(result.deviation.bound, solution.bound);
    if (!solution.columns.empty()) {
      std::vector<Indices> found(count);
      for (std::size_t e = 0; e < sorted.size(); ++e) {
        for (std::size_t c = 0; c < count; ++c) {
          if (solution.columns[e * count + c] > 0.5) {
            found[c].push_back(e);
          }
        }
      }
      if (const double value = deviation(found, sorted, mean); value < result.deviation.value) {
        best = found;
        result.deviation.value = value;
      }
    }
    result.deviation.bound = std::min(result.deviation.bound, result.deviation.value);
  }
  for (Indices& cluster : best) {
    std::vector<std::int32_t>& experts = result.clusters.emplace_back();
    for (const std::size_t e : cluster) {
      experts.push_back(static_cast<std::int32_t>(order[e]));
    }
    std::sort(experts.begin(), experts.end());
  }
  std::sort(result.clusters.begin(), result.clusters.end());
  return result;
}

}  // namespace moesaic
