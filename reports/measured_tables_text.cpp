// The text of judged tables: every number beside its prediction, what has none and why, and the scores.
#include <fmt/format.h>

#include <algorithm>

#include "base/error.hpp"
#include "reports/measured_tables.hpp"
#include "reports/names.hpp"
#include "reports/table.hpp"
#include "reports/terminal.hpp"

namespace moesaic {
namespace {

std::string deviation_text(double value) { return (value > 0 ? "+" : "") + percent_text(value); }

std::string row_tables(const MeasuredJudgement& judgement, const TextStyle& style) {
  std::string text;
  for (std::size_t i = 0; i < judgement.tables.groups.size(); ++i) {
    Table table({{"line", Align::right},
                 {"row"},
                 {"quantity"},
                 {"measured", Align::right},
                 {"predicted", Align::right},
                 {"error", Align::right}});
    for (const JudgedNumber& row : judgement.rows) {
      if (row.group == i) {
        table.add({fmt::format("{}", row.line), printable(row.about, 110), row.quantity,
                   fmt::format("{:.5g}", row.measured), fmt::format("{:.4g}", row.predicted),
                   deviation_text(row.error())});
      }
    }
    if (table.empty()) {
      continue;
    }
    const MeasuredGroup& group = judgement.tables.groups[i];
    text += heading(printable(group.name, 200), style) + "  " + paint(printable(group.file, 200), Paint::dim, style) +
            '\n' + (group.note.empty() ? "" : "  " + paint(printable(group.note, 1000), Paint::dim, style) + '\n') +
            table.text(style);
  }
  return text;
}

/// "2, 4 to 9".
std::string lines_text(const std::vector<std::size_t>& lines) {
  std::string text;
  for (std::size_t i = 0; i < lines.size();) {
    std::size_t last = i;
    while (last + 1 < lines.size() && lines[last + 1] == lines[last] + 1) {
      ++last;
    }
    text += (text.empty() ? "" : ", ") +
            (last > i ? fmt::format("{} to {}", lines[i], lines[last]) : fmt::format("{}", lines[i]));
    i = last + 1;
  }
  return text;
}

std::string left_out_text(const MeasuredJudgement& judgement, const TextStyle& style) {
  if (judgement.left_out.empty()) {
    return "";
  }
  std::string text = heading(fmt::format("{} numbers have no prediction", judgement.left_out.size()), style);
  struct Kind {
    const UnjudgedNumber* first = nullptr;
    std::vector<std::size_t> lines;
  };
  std::vector<Kind> kinds;
  for (const UnjudgedNumber& row : judgement.left_out) {
    const auto same = std::find_if(kinds.begin(), kinds.end(), [&](const Kind& kind) {
      return kind.first->file == row.file && kind.first->reason == row.reason && kind.first->group == row.group;
    });
    if (same == kinds.end()) {
      kinds.push_back({&row, {row.line}});
    } else if (same->lines.back() != row.line) {
      same->lines.push_back(row.line);
    }
  }
  for (const auto& [row, numbers] : kinds) {
    text += fmt::format("  {}:{}: {}: {}\n", printable(row->file, 200), lines_text(numbers),
                        row->group.empty() ? printable(row->about, 110) : printable(row->group, 110),
                        printable(row->reason, 500));
  }
  return text;
}

void add_scores(Table& table, const std::string& name, const TableScores& scores) {
  if (scores.rows > 0) {
    table.add({name, count_text(static_cast<double>(scores.rows)), percent_text(scores.median),
               percent_text(scores.p90), percent_text(scores.worst), deviation_text(scores.bias)});
  }
}

}  // namespace

std::string measured_tables_text(const MeasuredJudgement& judgement, const TextStyle& style) {
  std::string text = row_tables(judgement, style) + left_out_text(judgement, style);
  Table table({{"group"},
               {"rows", Align::right},
               {"median", Align::right},
               {"p90", Align::right},
               {"worst", Align::right},
               {"bias", Align::right}});
  for (const MeasuredGroup& group : judgement.tables.groups) {
    add_scores(table, printable(group.name, 80), table_scores(judgement, group.name));
  }
  const TableScores all = table_scores(judgement);
  add_scores(table, "all", all);
  text += heading(fmt::format("median error {} of {} numbers, target {}", percent_text(all.median), all.rows,
                              percent_text(judgement.tables.target)),
                  style) +
          table.text(style);
  return text.starts_with('\n') ? text.substr(1) : text;
}

}  // namespace moesaic
