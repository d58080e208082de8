#include "reports/overlap.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "base/quantity_text.hpp"
#include "reports/names.hpp"
#include "reports/table.hpp"

namespace moesaic {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kOverlapColumns = 88;

OverlapChoice choose(const MoeLayerTimes& layer, OverlapPolicy policy, int chunks, int most) {
  if (chunks == 0) {
    return best_overlap(layer, policy, most);
  }
  return {run_overlap(layer, policy, false, chunks), run_overlap(layer, policy, true, chunks)};
}

/// A row for each queue; experts and attention share theirs, as exchanges and gradients do.
std::string picture(const OverlapTimes& times) {
  constexpr std::string_view kLetters = "ADGESCR";
  std::array<std::string, 3> rows;
  rows.fill(std::string(kOverlapColumns, '.'));
  const double step = times.total.value / static_cast<double>(kOverlapColumns);
  for (const OverlapSpan& span : times.spans) {
    const auto first = static_cast<std::size_t>(std::lround(span.start.value / step));
    const auto last = static_cast<std::size_t>(std::lround(span.end.value / step));
    for (std::size_t at = first; at < std::min(last, kOverlapColumns); ++at) {
      rows[static_cast<std::size_t>(span.queue)][at] = kLetters[static_cast<std::size_t>(span.what)];
    }
  }
  return fmt::format("    between nodes {}\n    inside nodes  {}\n    compute       {}\n", rows[0], rows[1], rows[2]);
}

Json direction_json(const OverlapTimes& times) {
  return {{"chunks", times.chunks}, {"seconds", times.total.value}, {"experts_part_s", times.experts_part.value}};
}

Json formula_json(const FsmoeFormula& formula) { return {{"case", formula.bound}, {"seconds", formula.seconds.value}}; }

}  // namespace

OverlapReport report_overlap(const MoeLayerTimes& layer, const std::vector<OverlapPolicy>& policies,
                             OverlapPolicy baseline, int chunks, int most) {
  OverlapReport report;
  report.baseline = baseline;
  const Seconds base = choose(layer, baseline, chunks, most).total();
  for (const OverlapPolicy policy : policies) {
    const OverlapChoice choice = choose(layer, policy, chunks, most);
    report.rows.push_back({policy, choice, base / choice.total()});
  }
  const OverlapChoice fsmoe = choose(layer, OverlapPolicy::fsmoe, chunks, most);
  report.forward = fsmoe_formula(layer, false, fsmoe.forward.chunks, {});
  report.backward = fsmoe_formula(layer, true, fsmoe.backward.chunks, {});
  return report;
}

std::string overlap_text(const OverlapReport& report, const TextStyle& style) {
  Table table({{"policy", Align::left},
               {"forward", Align::right},
               {"chunks", Align::right},
               {"backward", Align::right},
               {"chunks", Align::right},
               {"both", Align::right},
               {fmt::format("over {}", name(report.baseline)), Align::right}});
  for (const OverlapReport::Row& row : report.rows) {
    const auto& [forward, backward] = row.choice;
    table.add({std::string(name(row.policy)), to_text(forward.total), std::to_string(forward.chunks),
               to_text(backward.total), std::to_string(backward.chunks), to_text(row.choice.total()),
               fmt::format("{:.2f}x", row.speedup)});
  }
  std::string text = table.text(style);
  const OverlapReport::Row& last = report.rows.back();
  text += fmt::format(
      "\n  {}: D dispatch, G all-gather, E experts, S reduce-scatter, C combine, A attention, R gradients\n"
      "  forward\n{}  backward\n{}",
      name(last.policy), picture(last.choice.forward), picture(last.choice.backward));
  return text;
}

std::string overlap_json(const OverlapReport& report) {
  Json policies = Json::object();
  for (const OverlapReport::Row& row : report.rows) {
    policies[std::string(name(row.policy))] = {{"forward", direction_json(row.choice.forward)},
                                               {"backward", direction_json(row.choice.backward)},
                                               {"seconds", row.choice.total().value},
                                               {"speedup", row.speedup}};
  }
  const Json json = {
      {"version", "1"},
      {"baseline", name(report.baseline)},
      {"policies", policies},
      {"formula", {{"forward", formula_json(report.forward)}, {"backward", formula_json(report.backward)}}}};
  return json.dump(2) + "\n";
}

std::string overlap_sweep_text(const OverlapSweepReport& report, const TextStyle& style) {
  Table table({{"policy", Align::left},
               {fmt::format("over {}", name(report.baseline)), Align::right},
               {"least", Align::right},
               {"most", Align::right}});
  for (int i = 0; i < kOverlapPolicyCount; ++i) {
    const OverlapGain& gain = report.sweep.gains[static_cast<std::size_t>(i)];
    table.add({std::string(name(static_cast<OverlapPolicy>(i))), fmt::format("{:.3f}x", gain.mean),
               fmt::format("{:.3f}x", gain.least), fmt::format("{:.3f}x", gain.most)});
  }
  return fmt::format("  {}: {} layers, forward and backward\n\n", printable(report.name),
                     count_text(static_cast<double>(report.sweep.layers))) +
         table.text(style) +
         fmt::format("\n  {} layers have another best number of chunks forward than backward (fsmoe)\n",
                     count_text(static_cast<double>(report.sweep.different_chunks)));
}

std::string overlap_sweep_json(const OverlapSweepReport& report) {
  Json policies = Json::object();
  for (int i = 0; i < kOverlapPolicyCount; ++i) {
    const OverlapGain& gain = report.sweep.gains[static_cast<std::size_t>(i)];
    policies[std::string(name(static_cast<OverlapPolicy>(i)))] = {
        {"mean_speedup", gain.mean}, {"least_speedup", gain.least}, {"most_speedup", gain.most}};
  }
  const Json json = {{"version", "1"},
                     {"name", report.name},
                     {"baseline", name(report.baseline)},
                     {"layers", report.sweep.layers},
                     {"different_chunks", report.sweep.different_chunks},
                     {"policies", policies}};
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace moesaic
