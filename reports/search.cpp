#include "reports/search.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/quantity_text.hpp"
#include "reports/names.hpp"

namespace moesaic {
namespace {

constexpr std::size_t kMostReasons = 4;
constexpr double kLeastShare = 0.05;  // of the largest difference: smaller ones explain nothing

/// "at its limit (device.memory.bandwidth)" in words.
std::string cost_name(const SearchCost& cost) {
  const std::size_t open = cost.name.find('(');
  if (open == std::string::npos || cost.name.back() != ')') {
    return cost.name;
  }
  return cost.name.substr(0, open + 1) + resource_name(cost.name.substr(open + 1, cost.name.size() - open - 2)) + ")";
}

std::string reasons(const std::vector<SearchCost>& differences) {
  std::string text;
  std::size_t shown = 0;
  for (const SearchCost& cost : differences) {
    const double size = std::abs(cost.seconds.value);
    if (shown == kMostReasons || size < kLeastShare * std::abs(differences.front().seconds.value) || size == 0) {
      break;
    }
    text += fmt::format("{}{} {}{}", shown++ > 0 ? ", " : "", cost_name(cost), cost.seconds.value > 0 ? "+" : "-",
                        to_text(Seconds{size}));
  }
  return text;
}

Seconds total(const SearchRow& row) {
  Seconds sum;
  for (const SearchCost& cost : row.costs) {
    sum += cost.seconds;
  }
  return sum;
}

}  // namespace

std::string pace_name(const SearchReport& report) { return report.training ? "step" : "TPOT"; }

std::string objective_name(SearchObjective objective, bool training) {
  return objective == SearchObjective::throughput ? "throughput"
         : objective == SearchObjective::first    ? "ttft"
         : training                               ? "step"
                                                  : "tpot";
}

std::string largest_cost(const SearchRow& row) {
  const auto largest = std::max_element(row.costs.begin(), row.costs.end(),
                                        [](const SearchCost& a, const SearchCost& b) { return a.seconds < b.seconds; });
  return largest == row.costs.end()
             ? ""
             : fmt::format("{} {}", cost_name(*largest), percent_text(largest->seconds / total(row)));
}

std::string why_lost(const SearchReport& report) {
  if (report.best.size() < 2) {
    return "";
  }
  const SearchRow &winner = report.best[0], &loser = report.best[1];
  const std::string name = fmt::format("{} at {}", loser.mapping, loser.setting);
  const double lost = 1 - score(loser.figures, report.goal.objective) / score(winner.figures, report.goal.objective);
  const Seconds more = total(loser) - total(winner);
  const std::string what = report.goal.objective == SearchObjective::throughput
                               ? fmt::format("a token takes {} more of a device", to_text(more))
                           : report.goal.objective == SearchObjective::first
                               ? fmt::format("the first token takes {} more", to_text(more))
                               : fmt::format("a step takes {} more", to_text(more));
  if (lost < 1e-9) {
    return fmt::format("The runner-up, {}, is as good; the first that was listed stands above.", name);
  }
  return fmt::format("The runner-up, {}, loses {}: {} ({}).", name, percent_text(lost), what,
                     reasons(cost_differences(loser, winner)));
}

std::string counts_sentence(const SearchReport& report) {
  const SearchCounts& counts = report.counts;
  std::string text = fmt::format("{} mappings", integer_text(counts.mappings));
  if (counts.refused > 0 || counts.too_large > 0) {
    text +=
        fmt::format(" ({}{}{})", counts.too_large > 0 ? integer_text(counts.too_large) + " do not fit in memory" : "",
                    counts.too_large > 0 && counts.refused > 0 ? ", " : "",
                    counts.refused > 0 ? integer_text(counts.refused) + " refused by the machine" : "");
  }
  return text + fmt::format(", {} candidates: {} evaluated, {} pruned by their limit{}",
                            integer_text(counts.candidates()), integer_text(counts.evaluated),
                            integer_text(counts.pruned),
                            counts.unfit > 0 ? fmt::format(", {} unfit", integer_text(counts.unfit)) : "");
}

}  // namespace moesaic
