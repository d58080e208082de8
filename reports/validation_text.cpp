// The text of a validation: targets and kinds over all devices first, then every device and stack, then the worst rows.
#include <fmt/format.h>

#include <cmath>

#include "base/error.hpp"
#include "base/quantity_text.hpp"
#include "reports/names.hpp"
#include "reports/table.hpp"
#include "reports/terminal.hpp"
#include "reports/validation_scores.hpp"

namespace moesaic {
namespace {

std::vector<Column> score_columns(std::vector<Column> first) {
  for (const char* head : {"rows", "median", "p90", "bias", "in 50%", "in 90%"}) {
    first.push_back({head, Align::right});
  }
  first.insert(first.end(), {{"target"}, {""}, {"roofline", Align::right}, {"one efficiency", Align::right}});
  return first;
}

void add_scores(Table& table, std::vector<std::string> cells, const JudgedGroup& scores, const AccuracyTarget* target,
                const TextStyle& style) {
  cells.insert(cells.end(),
               {count_text(static_cast<double>(scores.rows)), percent_text(scores.median_abs_error),
                percent_text(scores.p90_abs_error), signed_percent(scores.bias), percent_text(scores.coverage50),
                percent_text(scores.coverage90) + (intervals_hold(scores) ? " " : "!")});
  if (target != nullptr) {
    const bool met = meets(*target, scores);
    cells.push_back(pair_text(target->median_abs_error, target->p90_abs_error));
    cells.push_back(met ? paint("met", Paint::good, style) : paint("missed", Paint::bad, style));
  } else {
    cells.insert(cells.end(), {"", ""});
  }
  cells.push_back(pair_text(scores.roofline_median, scores.roofline_p90));
  cells.push_back(pair_text(scores.constant_median, scores.constant_p90));
  table.add(std::move(cells));
}

std::string targets_text(const Validation& validation, const TextStyle& style) {
  Table table(score_columns({{"target"}, {"met by groups"}}));
  for (const TargetScores& item : target_scores(validation)) {
    add_scores(table, {std::string(item.target->name), fmt::format("{} of {}", item.groups_met, item.groups)},
               item.scores, item.target, style);
  }
  return table.empty() ? "" : heading("Targets, over all devices and stacks", style) + table.text(style);
}

std::string kinds_text(const std::vector<KindRows>& kinds, const TextStyle& style) {
  Table table(score_columns({{"operator"}, {"mode"}}));
  for (const auto& [scores, rows] : kinds) {
    add_scores(table, {scores.kind, std::string(name(scores.mode))}, scores, find_target(scores.kind, "", scores.mode),
               style);
  }
  return table.empty() ? "" : heading("Operators, over all devices and stacks", style) + table.text(style);
}

std::string groups_text(const std::vector<JudgedGroup>& groups, const TextStyle& style) {
  std::string text;
  for (std::size_t i = 0; i < groups.size();) {
    const JudgedGroup& first = groups[i];
    Table table(score_columns({{"operator"}, {"data"}, {"mode"}}));
    for (; i < groups.size() && groups[i].device == first.device && groups[i].stack == first.stack; ++i) {
      const JudgedGroup& group = groups[i];
      add_scores(table, {group.kind, printable(group.dtype), std::string(name(group.mode))}, group,
                 find_target(group.kind, group.dtype, group.mode), style);
    }
    text += heading(printable(first.device) + ", " + printable(first.stack), style) + table.text(style);
  }
  return text;
}

std::string worst_text(const Validation& validation, const KindRows& kind, const TextStyle& style) {
  return heading(fmt::format("Worst of {}, {}", kind.scores.kind, name(kind.scores.mode)), style) +
         worst_rows_text(validation, kind.rows, style);
}

std::string head_text(const Validation& validation, const TextStyle& style) {
  const Judgement& judgement = validation.judgement;
  std::string text = fmt::format("{} rows judged, {} not\n", count_text(static_cast<double>(judgement.rows.size())),
                                 count_text(static_cast<double>(judgement.not_judged)));
  for (const std::string& path : validation.data) {
    text += "  " + printable(path, 400) + '\n';
  }
  if (validation.seen_rows > 0) {
    const std::string warning = fmt::format("{} of the rows have shapes that their profile was fitted on: no proof\n",
                                            count_text(static_cast<double>(validation.seen_rows)));
    text += paint(warning, Paint::bad, style);
  }
  const char* reading =
      "Errors are |predicted / measured - 1|: median and 90th percentile (p90); pairs are median / p90. Bias: the "
      "median\n"
      "with its sign. In 50%, in 90%: share of rows inside that interval around their prediction; '!' where the 90%\n"
      "interval holds less than 86% or more than 94%. Roofline: at peak rates; one efficiency: the roofline over one\n"
      "fraction of peak per device, stack and kernel. A group is one device, stack, operator and data type.\n";
  return text + paint(reading, Paint::dim, style);
}

}  // namespace

std::string validation_text(const Validation& validation, const TextStyle& style) {
  const Judgement& judgement = validation.judgement;
  const std::vector<KindRows> kinds = rows_by_kind(validation);
  std::string text = head_text(validation, style) + targets_text(validation, style) + kinds_text(kinds, style) +
                     groups_text(judgement.groups, style);
  for (const KindRows& kind : kinds) {
    text += worst_text(validation, kind, style);
  }
  if (judgement.not_judged > 0) {
    text += fmt::format("\nNot judged: {} rows; the first: {}\n", count_text(static_cast<double>(judgement.not_judged)),
                        printable(judgement.why_not, 400));
  }
  return text;
}

}  // namespace moesaic
