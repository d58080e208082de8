// JSON of placements of experts: the contract of configs/schema/experts.json. Bytes and seconds, no prefixes.
#include <cmath>
#include <nlohmann/json.hpp>

#include "reports/experts.hpp"
#include "reports/json_values.hpp"

namespace moesaic {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kExpertsVersion = "1";

Json question_json(const PlacementReport& report) {
  const PlacementQuestion& question = report.question;
  const GroupLimit& limit = question.hits.limit;
  const bool limits = limit.limits() && !question.trace;
  return {{"model", report.model},
          {"machine", report.machine},
          {"routing", report.routing},
          {"experts", question.trace ? question.trace->experts : question.routing.experts()},
          {"top_k", question.trace ? question.trace->top_k : question.routing.top_k()},
          {"groups", limits ? Json(limit.groups) : Json(nullptr)},
          {"top_groups", limits ? Json(limit.most) : Json(nullptr)},
          {"ranks", question.grid.ranks},
          {"ranks_per_node", question.grid.per_node},
          {"redundant", question.redundant},
          {"tokens_per_rank", number_json(question.tokens)},
          {"copies", name(question.copies)},
          {"replicas", name(question.hits.replicas)},
          {"dispatch_row_bytes", number_json(report.comparison.dispatch_row.value)},
          {"combine_row_bytes", number_json(report.comparison.combine_row.value)},
          {"layers", report.comparison.layers}};
}

Json direction_json(const Busiest& sent, const Busiest& received, Bytes row) {
  return {{"mean_bytes", number_json(sent.mean * row.value)},
          {"busiest_sender_bytes", number_json(sent.most * row.value)},
          {"busiest_receiver_bytes", number_json(received.most * row.value)}};
}

// Combining sends the same copies the other way: who received most sends most.
Json traffic_json(const TrafficSummary& traffic, Bytes row, bool back) {
  const auto direction = [&](const Busiest& sent, const Busiest& received) {
    return back ? direction_json(received, sent, row) : direction_json(sent, received, row);
  };
  return {{"network", direction(traffic.network_sent, traffic.network_received)},
          {"scale_up", direction(traffic.scale_up_sent, traffic.scale_up_received)}};
}

Json moves_json(const PlacementAnswer& p) {
  if (!p.moves) {
    return nullptr;
  }
  return {{"same_rank", number_json(p.moves->local)},
          {"same_node", number_json(p.moves->node)},
          {"slowest_pairs_seconds", number_json(p.moves->worst.value)},
          {"bound_seconds", p.moves_bound ? number_json(p.moves_bound->value) : Json(nullptr)}};
}

Json placement_json(const PlacementAnswer& p, const PlacementComparison& comparison) {
  if (!p.missing.empty()) {
    return {{"name", p.name}, {"missing", p.missing}};
  }
  const bool optimum = p.name == "optimum";
  return {{"name", p.name},
          {"slots_per_rank", p.slots_per_rank},
          {"imbalance", number_json(p.traffic.imbalance)},
          {"deviation", number_json(p.deviation.value)},
          {"deviation_bound", optimum ? number_json(p.deviation.bound) : Json(nullptr)},
          {"distinct_ranks", number_json(p.traffic.distinct_ranks)},
          {"distinct_nodes", number_json(p.traffic.distinct_nodes)},
          {"local_activation", number_json(p.traffic.local_activation)},
          {"dispatch", traffic_json(p.traffic, comparison.dispatch_row, false)},
          {"combine", traffic_json(p.traffic, comparison.combine_row, true)},
          {"next_layer", moves_json(p)},
          {"in_time", p.in_time}};
}

}  // namespace

std::string experts_json(const PlacementReport& report) {
  Json placements = Json::array();
  for (const PlacementAnswer& p : report.comparison.placements) {
    placements.push_back(placement_json(p, report.comparison));
  }
  const Json json = {
      {"version", kExpertsVersion}, {"question", question_json(report)}, {"placements", std::move(placements)}};
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + '\n';
}

}  // namespace moesaic
