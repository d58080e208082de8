#include <nlohmann/json.hpp>

#include "reports/json_values.hpp"
#include "reports/serving.hpp"

namespace moesaic {
namespace {

using Json = nlohmann::ordered_json;

Json load_json(const ServingReport& report) {
  const ServingLoad& load = report.load;
  Json json = {{"arrivals", load.requests.rate ? "poisson" : "closed-loop"}};
  if (load.requests.rate) {
    json["rate_per_s"] = load.requests.rate->value;
  }
  json["batch"] = load.rules.batch;
  if (report.trace.empty()) {
    json["input"] = to_text(load.requests.input);
    json["output"] = to_text(load.requests.output);
  } else {
    json["trace"] = report.trace;
  }
  json["mean_input"] = report.figures.mean_input;
  json["mean_output"] = report.figures.mean_output;
  json["requests"] = load.count;
  json["warm_up"] = load.warm_up;
  json["seed"] = load.requests.seed;
  json["prompts"] = load.rules.exclusive ? "exclusive" : "mixed";
  json["whole_prompts"] = load.rules.whole_prompts;
  json["step_tokens"] = load.rules.step_tokens;
  return json;
}

Json goals_json(const ServingReport& report) {
  Json json = Json::array();
  for (const ServingGoal& goal : report.goals) {
    const Seconds value = value_of(report.figures, goal);
    json.push_back({{"figure", to_text(goal)},
                    {"most_s", goal.most.value},
                    {"seconds", value.value},
                    {"holds", value <= goal.most}});
  }
  return json;
}

Json search_json(const SustainableRate& search) {
  Json tried = Json::array();
  for (const TriedRate& each : search.tried) {
    tried.push_back({{"rate_per_s", each.rate.value},
                     {"queue_grew_by", each.grown},
                     {"kept_up", each.kept_up},
                     {"goals_hold", each.held}});
  }
  return {{"rate_per_s", search.rate.value}, {"closed_loop_per_s", search.saturated.value}, {"tried", tried}};
}

}  // namespace

std::string serving_json(const ServingReport& report) {
  const ServingFigures& figures = report.figures;
  const ServingRecord& record = report.record;
  std::int64_t ended = 0;
  for (const ServedRequest& request : record.requests) {
    ended += request.ended ? 1 : 0;
  }
  Json json = deployed_json(report.deployed);
  json.update({{"load", load_json(report)},
               {"counted", ended},
               {"complete", !record.stopped && !(report.search && report.search->stopped)},
               {"seconds", record.span.value}});
  for (const NamedTimes& row : named_times(figures)) {
    json[row.key] = {{"mean_s", row.times.mean.value},
                     {"p50_s", row.times.p50.value},
                     {"p90_s", row.times.p90.value},
                     {"p99_s", row.times.p99.value}};
  }
  json["throughput"] = {
      {"output_tokens_per_s", figures.output_tokens.value},
      {"output_tokens_per_s_per_device", figures.output_tokens.value / static_cast<double>(report.deployed.devices)},
      {"total_tokens_per_s", figures.total_tokens.value},
      {"requests_per_s", figures.requests.value}};
  json["mean_running"] = figures.mean_running;
  json["steps"] = {{"decode", record.decode_steps},
                   {"mixed", record.mixed_steps},
                   {"prompts", record.prompt_steps},
                   {"mixed_share", figures.mixed_share}};
  if (!report.goals.empty()) {
    json["goals"] = goals_json(report);
  }
  if (report.search) {
    json["sustainable"] = search_json(*report.search);
  }
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace moesaic
