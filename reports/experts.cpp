// Placements of experts side by side, as text.
#include "reports/experts.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <functional>

#include "base/quantity_text.hpp"
#include "reports/names.hpp"
#include "reports/table.hpp"
#include "reports/terminal.hpp"

namespace moesaic {
namespace {

using Cell = std::function<std::string(const PlacementAnswer&)>;

class Writer {
 public:
  Writer(const PlacementReport& report, const TextStyle& style)
      : report_(report), style_(style), table_(columns(report.comparison)) {}

  std::string text() {
    const PlacementQuestion& question = report_.question;
    const RankGrid& grid = question.grid;
    const std::int64_t experts = question.trace ? question.trace->experts : question.routing.experts();
    const std::int64_t top_k = question.trace ? question.trace->top_k : question.routing.top_k();
    std::string limit;
    if (question.hits.limit.limits() && !question.trace) {
      limit = fmt::format(" of {} of {} groups", question.hits.limit.most, question.hits.limit.groups);
    }
    std::string result = fmt::format("  {}: {} experts, {} a token{}; {} ranks in nodes of {}, {} tokens a rank\n",
                                     printable(report_.model), experts, top_k, limit, grid.ranks, grid.per_node,
                                     count_text(question.tokens)) +
                         fmt::format("  routing {}; copies {}, {} to dispatch a token and {} to combine\n\n",
                                     printable(report_.routing), name(question.copies),
                                     to_text(report_.comparison.dispatch_row), to_text(report_.comparison.combine_row));
    add_rows();
    return result + table_.text(style_) + notes();
  }

 private:
  static std::vector<Column> columns(const PlacementComparison& comparison) {
    std::vector<Column> columns = {{""}};
    for (const PlacementAnswer& placement : comparison.placements) {
      columns.push_back({placement.name, Align::right});
    }
    return columns;
  }

  void add(const std::string& name, const Cell& cell) {
    std::vector<std::string> cells = {name};
    for (const PlacementAnswer& placement : report_.comparison.placements) {
      cells.push_back(placement.missing.empty() ? cell(placement) : "-");
    }
    table_.add(std::move(cells));
  }

  void add_bytes(const std::string& name, Bytes row, Busiest TrafficSummary::*of, double Busiest::*which) {
    add(name, [=](const PlacementAnswer& p) { return to_text(row * (p.traffic.*of.*which)); });
  }

  void add_rows() {
    add("expert slots of a rank", [](const PlacementAnswer& p) { return fmt::format("{}", p.slots_per_rank); });
    add("busiest rank's rows / mean",
        [](const PlacementAnswer& p) { return fmt::format("{:.3f}", p.traffic.imbalance); });
    add("ranks that a token uses",
        [](const PlacementAnswer& p) { return fmt::format("{:.2f}", p.traffic.distinct_ranks); });
    add("nodes that a token uses",
        [](const PlacementAnswer& p) { return fmt::format("{:.2f}", p.traffic.distinct_nodes); });
    add("expert on the token's rank",
        [](const PlacementAnswer& p) { return percent_text(p.traffic.local_activation); });
    const Bytes out = report_.comparison.dispatch_row, back = report_.comparison.combine_row;
    add_bytes("dispatch over the network, a rank", out, &TrafficSummary::network_sent, &Busiest::mean);
    add_bytes("  busiest receiver", out, &TrafficSummary::network_received, &Busiest::most);
    add_bytes("dispatch over scale-up, a rank", out, &TrafficSummary::scale_up_sent, &Busiest::mean);
    add_bytes("  busiest receiver", out, &TrafficSummary::scale_up_received, &Busiest::most);
    add_bytes("combine over the network, a rank", back, &TrafficSummary::network_sent, &Busiest::mean);
    add_bytes("combine over scale-up, a rank", back, &TrafficSummary::scale_up_sent, &Busiest::mean);
    if (report_.comparison.layers > 1) {
      add("to the next layer: same rank", [](const PlacementAnswer& p) { return percent_text(p.moves->local); });
      add("  another rank of the node", [](const PlacementAnswer& p) { return percent_text(p.moves->node); });
      add("  another node",
          [](const PlacementAnswer& p) { return percent_text(std::max(1 - p.moves->local - p.moves->node, 0.0)); });
      add("  slowest pairs, all layers", [](const PlacementAnswer& p) { return to_text(p.moves->worst); });
    }
  }

  std::string notes() const {
    std::string result = "\n";
    if (report_.comparison.layers > 1) {
      result +=
          fmt::format("  Means over {} layers. To the next layer every use of an expert moves at the rates of {}.\n",
                      report_.comparison.layers, printable(report_.machine));
    }
    for (const PlacementAnswer& p : report_.comparison.placements) {
      if (!p.missing.empty()) {
        result += fmt::format("  No {}: {}\n", p.name, printable(p.missing, 300));
      } else if (p.name == "optimum") {
        result += fmt::format("  optimum: ranks are {} from even, and no placement of whole experts is below {}",
                              percent_text(p.deviation.value), percent_text(p.deviation.bound));
        if (p.moves_bound) {
          result += fmt::format("; slowest pairs {}, not below {}", to_text(p.moves->worst), to_text(*p.moves_bound));
        }
        result += p.in_time ? ".\n" : ";\n  the solver ran out of time: another computer may find another one.\n";
      }
    }
    return result;
  }

  const PlacementReport& report_;
  const TextStyle& style_;
  Table table_;
};

}  // namespace

std::string name(CopyRule rule) {
  return rule == CopyRule::per_expert ? "per-expert" : rule == CopyRule::per_rank ? "per-rank" : "per-node";
}

std::string name(ReplicaRule rule) { return rule == ReplicaRule::even ? "even" : "own-node"; }

std::string experts_text(const PlacementReport& report, const TextStyle& style) { return Writer(report, style).text(); }

}  // namespace moesaic
