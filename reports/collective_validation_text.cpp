// The text of judged collectives: both places beside their targets, the groups of each, the worst rows, what was not
// judged.
#include <fmt/format.h>

#include <cmath>

#include "base/error.hpp"
#include "base/quantity_text.hpp"
#include "reports/collective_validation.hpp"
#include "reports/names.hpp"
#include "reports/table.hpp"
#include "reports/terminal.hpp"

namespace moesaic {
namespace {

std::vector<Column> collective_columns(std::vector<Column> first) {
  for (const char* head : {"rows", "median", "p90", "bias", "in 50%", "in 90%", "closed form", "one efficiency"}) {
    first.push_back({head, Align::right});
  }
  return first;
}

std::vector<std::string> score_cells(const JudgedGroup& scores) {
  return {count_text(static_cast<double>(scores.rows)),
          percent_text(scores.median_abs_error),
          percent_text(scores.p90_abs_error),
          signed_percent(scores.bias),
          percent_text(scores.coverage50),
          percent_text(scores.coverage90) + (intervals_hold(scores) ? " " : "!"),
          pair_text(scores.roofline_median, scores.roofline_p90),
          pair_text(scores.constant_median, scores.constant_p90)};
}

void add(Table& table, std::vector<std::string> cells, const JudgedGroup& scores, std::vector<std::string> last = {}) {
  for (std::string& cell : score_cells(scores)) {
    cells.push_back(std::move(cell));
  }
  cells.insert(cells.end(), last.begin(), last.end());
  table.add(std::move(cells));
}

std::string targets_text(const std::vector<CollectiveGroup>& groups, const TextStyle& style) {
  std::vector<Column> columns = collective_columns({{"ranks"}});
  columns.insert(columns.end(), {{"target", Align::right}, {""}});
  Table table(columns);
  for (const CollectiveGroup& group : groups) {
    if (group.by == "place") {
      const double target = collective_target(group.place);
      const bool met = group.scores.median_abs_error <= target;
      add(table, {std::string(title(group.place))}, group.scores,
          {percent_text(target), met ? paint("met", Paint::good, style) : paint("missed", Paint::bad, style)});
    }
  }
  return table.empty() ? "" : heading("Inside a node and across nodes", style) + table.text(style);
}

std::string groups_text(const std::vector<CollectiveGroup>& groups, NodePlace place, const TextStyle& style) {
  Table table(collective_columns({{"by"}, {"group"}}));
  std::string last;
  for (const CollectiveGroup& group : groups) {
    if (group.place == place && group.by != "place") {
      add(table, {group.by == last ? "" : group.by, printable(group.name)}, group.scores);
      last = group.by;
    }
  }
  return table.empty() ? "" : heading(fmt::format("Groups {}", title(place)), style) + table.text(style);
}

std::string worst_text(const Validation& validation, const CollectiveGroup& place, const TextStyle& style) {
  return heading(fmt::format("Worst {}", title(place.place)), style) + worst_rows_text(validation, place.rows, style);
}

std::string head_text(const CollectiveValidation& run, const TextStyle& style) {
  const Validation& validation = run.validation;
  const Judgement& judgement = validation.judgement;
  std::string text = fmt::format("{} collectives and exchanges judged, {} not\n",
                                 count_text(static_cast<double>(judgement.rows.size())),
                                 count_text(static_cast<double>(judgement.not_judged)));
  for (const std::string& path : validation.data) {
    text += "  " + printable(path, 400) + '\n';
  }
  if (validation.seen_rows > 0) {
    const std::string warning = fmt::format("{} of the rows have shapes that their profile was fitted on: no proof\n",
                                            count_text(static_cast<double>(validation.seen_rows)));
    text += paint(warning, Paint::bad, style);
  }
  constexpr const char* kHeld[] = {"a message size, or the dimensions of an expert layer",
                                   "a message size, or a number of tokens of one rank",
                                   "a number of ranks on a number of nodes"};
  const std::string reading = fmt::format(
      "Rows that are left out are left out with all others of their {}: {}.\n"
      "Errors are |predicted / measured - 1|: median and 90th percentile (p90); pairs are median / p90. Bias: the "
      "median\nwith its sign. In 50%, in 90%: share of rows inside that interval around their prediction; '!' where "
      "the 90%\ninterval holds less than 86% or more than 94%. Closed form: the fastest algorithm at peak figures; "
      "one efficiency:\nthat over one fraction per device, stack and kernel. Sizes: messages of collectives; tokens "
      "of one rank of exchanges.\n",
      name(run.held_out), kHeld[static_cast<std::size_t>(run.held_out)]);
  return text + paint(reading, Paint::dim, style);
}

}  // namespace

std::string collective_validation_text(const CollectiveValidation& run, const TextStyle& style) {
  const Validation& validation = run.validation;
  const std::vector<CollectiveGroup> groups = collective_groups(validation);
  std::string text = head_text(run, style) + targets_text(groups, style);
  for (const NodePlace place : kNodePlaces) {
    text += groups_text(groups, place, style);
  }
  for (const CollectiveGroup& group : groups) {
    if (group.by == "place") {
      text += worst_text(validation, group, style);
    }
  }
  Table reasons({{"rows", Align::right}, {"why"}});
  for (const auto& [why, rows] : validation.judgement.reasons) {
    reasons.add({count_text(static_cast<double>(rows)), printable(why, 300)});
  }
  return reasons.empty() ? text : text + heading("Not judged", style) + reasons.text(style);
}

}  // namespace moesaic
