// The operators of one step as a table.
#include <fmt/format.h>

#include "base/error.hpp"
#include "base/quantity_text.hpp"
#include "reports/names.hpp"
#include "reports/report.hpp"
#include "reports/summary.hpp"
#include "reports/table.hpp"
#include "reports/terminal.hpp"

namespace moesaic {
namespace {

std::string flops_text(Flops value) { return value.value > 0 ? to_text(value) : "-"; }

// The kind where the label does not say it, the shape, and what it runs on.
std::string shape_text(const OperatorRow& row) {
  const std::string kind = row.kind == row.operator_ ? "" : row.kind + ' ';
  const std::string where = row.flops.value > 0 ? row.unit + ' ' + row.arithmetic : row.unit;
  constexpr std::size_t kMost = 160;  // bytes
  return printable(kind + row.shape + " (" + where + ')', kMost);
}

/// What of the replica the table is about.
std::string part_text(const OperatorTable& operators) {
  if (!operators.part) {
    return "";
  }
  const StagePart& part = *operators.part;
  const std::string alike = part.alike > 1 ? fmt::format(" ({} of them are alike)", part.alike) : "";
  return fmt::format(
      "  One of {} micro-batches, of {} requests, on the slowest of {} pipeline stages{}; counts are the "
      "stage's.\n\n",
      count_text(part.micro_batches), count_text(part.requests), part.stages, alike);
}

}  // namespace

std::string operators_text(const OperatorTable& operators, const TextStyle& style) {
  const std::vector<OperatorRow>& rows = operators.rows;
  const Seconds step = operators.step;
  if (rows.empty()) {
    return "  no operators\n";
  }
  Table table({{"operator"},
               {"count", Align::right},
               {"FLOPs", Align::right},
               {"bytes", Align::right},
               {"FLOP/B", Align::right},
               {"ridge", Align::right},
               {"time", Align::right},
               {"of limit", Align::right},
               {"of step", Align::right},
               {"bound by"},
               {"kind and shape"}});
  const std::string* block = nullptr;
  for (const OperatorRow& row : rows) {
    if (block == nullptr || *block != row.block) {
      block = &row.block;
      table.add({paint(printable(row.block), Paint::heading, style)});
    }
    table.add({"  " + printable(row.operator_), count_text(row.count), flops_text(row.flops), to_text(row.bytes),
               ratio_text(row.intensity), ratio_text(row.ridge), to_text(row.time), percent_text(row.limit / row.time),
               percent_text(row.time * row.count / step), row.bound_by, paint(shape_text(row), Paint::dim, style)});
  }
  const char* what = operators.part ? "stage" : "step";
  return part_text(operators) + table.text(style) + '\n' +
         fmt::format("  The {} takes {}; its operators take {} one after another.\n", what, to_text(step),
                     to_text(total_time(rows))) +
         fmt::format("  Times of kernels: {}.\n", printable(operators.cost_model)) +
         "  FLOPs, bytes and time are of one execution on one device; a FLOP/B left of its ridge is bound by memory.\n";
}

}  // namespace moesaic
