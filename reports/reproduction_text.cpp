// The text of reproduced studies: one table each, and what the scores are.
#include <fmt/format.h>

#include "base/error.hpp"
#include "reports/names.hpp"
#include "reports/reproduction.hpp"
#include "reports/table.hpp"
#include "reports/terminal.hpp"

namespace moesaic {
namespace {

std::string target_text(const StudyRow& row) {
  return row.target > 0 ? percent_text(row.target) : row.published.most > row.published.least ? "in range" : "exact";
}

std::string range_text(const Amount& amount) {
  Amount most = amount;
  most.least = most.most;
  return amount.most > amount.least ? to_text(amount, amount.least) + " to " + to_text(most, amount.most)
                                    : to_text(amount, amount.least);
}

std::string study_text(const Reproduction& study, const TextStyle& style) {
  Table table({{"row"},
               {"quantity"},
               {"published", Align::right},
               {"predicted", Align::right},
               {"error", Align::right},
               {"class"},
               {"target", Align::right},
               {""}});
  std::string reasons;
  for (const ReproducedRow& row : study.rows) {
    const bool predicted = row.unfit.empty();
    const std::string verdict = row.row.calibrated ? "calibrated"
                                : row.within       ? paint("within", Paint::good, style)
                                                   : paint("missed", Paint::bad, style);
    table.add({printable(row.row.id), printable(row.row.quantity, 200), range_text(row.row.published),
               predicted ? to_text(row.row.published, row.predicted) : "-",
               predicted ? (row.error > 0 ? "+" : "") + percent_text(row.error) : "-",
               std::string(to_text(row.row.kind)), target_text(row.row), verdict});
    if (predicted && !row.partial.empty()) {
      reasons += fmt::format("  {}: {}\n", printable(row.row.id), printable(row.partial, 1000));
    }
    if (!predicted) {
      reasons += fmt::format("  {}: {}\n", printable(row.row.id), printable(row.unfit, 1000));
    }
    if (!row.within && !row.row.reason.empty()) {
      reasons += fmt::format("  {}: {}\n", printable(row.row.id), printable(row.row.reason, 1000));
    }
  }
  const std::string title =
      study.study.system + (study.study.title.empty() ? "" : ": " + printable(study.study.title, 300));
  std::string text = heading(title, style) + "  " + paint(printable(study.study.source, 500), Paint::dim, style) + '\n';
  if (!study.study.note.empty()) {
    text += "  " + paint(printable(study.study.note, 1000), Paint::dim, style) + '\n';
  }
  return text + table.text(style) + reasons;
}

void add_class(Table& table, const char* name, const ReproductionScores::Class& scores) {
  if (scores.rows > 0) {
    table.add({name, count_text(static_cast<double>(scores.rows)), count_text(static_cast<double>(scores.within)),
               percent_text(scores.median), percent_text(scores.worst)});
  }
}

}  // namespace

std::string reproduction_text(const std::vector<Reproduction>& studies, const TextStyle& style) {
  std::string text;
  for (const Reproduction& study : studies) {
    text += study_text(study, style);
  }
  const ReproductionScores scores = reproduction_scores(studies);
  Table table(
      {{"class"}, {"rows", Align::right}, {"within", Align::right}, {"median", Align::right}, {"worst", Align::right}});
  add_class(table, "closed-form", scores.closed_form);
  add_class(table, "measured", scores.measured);
  add_class(table, "ratio", scores.ratio);
  text +=
      heading(fmt::format("{} of {} rows within their targets", scores.within, scores.rows), style) + table.text(style);
  if (scores.calibrated > 0) {
    text += fmt::format("  {} rows more set figures of their studies and prove nothing.\n", scores.calibrated);
  }
  return text.starts_with('\n') ? text.substr(1) : text;
}

}  // namespace moesaic
