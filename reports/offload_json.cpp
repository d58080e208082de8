#include <nlohmann/json.hpp>

#include "reports/json_values.hpp"
#include "reports/offload.hpp"
#include "reports/search.hpp"
#include "reports/summary.hpp"

namespace moesaic {
namespace {

using Json = nlohmann::ordered_json;

Json placement_json(const HybridDescription& is, const std::string& name, const std::string& description) {
  Json json = Json::parse(to_json(is));
  json["name"] = name;
  json["description"] = description;
  if (is.engine.empty()) {
    json.erase("engine");
  } else {
    json["engine"] = is.engine;
  }
  return json;
}

Json memory_json(const MemoryFootprint& memory) {
  Json json = Json::object();
  for (const MemoryClass& kind : memory_classes()) {
    json[kind.id] = (memory.*kind.bytes).value;
  }
  json["total"] = memory.total().value;
  json["capacity"] = memory.capacity.value;
  return json;
}

Json row_json(const OffloadReport& report, const OffloadRow& row) {
  const Prediction& p = row.prediction;
  return {{"kind", to_text(row.candidate.kind)},
          {"placement", placement_json(row.candidate.description, "offload", placement_sentence(row))},
          {"batch", row.candidate.load.batch},
          {"step_tokens", row.candidate.load.step_tokens},
          {"experts_on_device", row.experts_on_device},
          {"tpot_s", p.tpot.value},
          {"ttft_s", p.ttft.value},
          {"output_tokens_per_s", p.output_tokens.value},
          {"stream_output_tokens_per_s", row.stream ? Json(row.stream->output_tokens.value) : Json(nullptr)},
          {"decode_limit_s", p.decode.limit.seconds.value},
          {"prefill_limit_s", p.prefill.limit.seconds.value},
          {"speed_of_best", row.speed},
          {"bound_by", binding_resource(report, row)},
          {"memory_bytes",
           {{"device", memory_json(p.memory.device)},
            {"host", memory_json(p.memory.host)},
            {"storage", memory_json(p.memory.storage)}}}};
}

Json rows_json(const OffloadReport& report, const std::vector<OffloadRow>& rows) {
  Json json = Json::array();
  for (const OffloadRow& row : rows) {
    json.push_back(row_json(report, row));
  }
  return json;
}

Json works_json(const std::vector<ResourceWork>& works) {
  Json json = Json::array();
  for (const ResourceWork& work : works) {
    json.push_back({{"resource", work.resource},
                    {"way", work.way},
                    {"busy_s", work.busy.value},
                    {"most", work.most},
                    {"share", work.share}});
  }
  return json;
}

}  // namespace

std::string offload_json(const OffloadReport& report) {
  const SearchCounts& counts = report.counts;
  const OffloadRow& best = report.best.front();
  Json elasticity = Json::array();
  for (const Elasticity& one : best.prediction.elasticity) {
    elasticity.push_back({{"figure", one.figure}, {"throughput", one.throughput}});
  }
  return document_text(
      {{"version", "1"},
       {"model", report.model},
       {"machine", report.machine},
       {"devices", best.prediction.devices},
       {"mapping", best.prediction.mapping},
       {"precision", best.prediction.precision},
       {"cost_model", best.prediction.cost_model},
       {"load", report.load},
       {"objective", report.stream ? "stream" : objective_name(report.goal.objective, false)},
       {"slo", {{"tpot_s", optional_json(report.goal.most_pace)}, {"ttft_s", optional_json(report.goal.most_first)}}},
       {"counts",
        {{"shapes", counts.mappings},
         {"evaluated", counts.evaluated},
         {"pruned", counts.pruned},
         {"unfit", counts.unfit}}},
       {"complete", !report.stopped},
       {"experts", best.experts},
       {"best", rows_json(report, report.best)},
       {"of_kinds", rows_json(report, report.of_kinds)},
       {"decode_work", works_json(report.decode)},
       {"prefill_work", works_json(report.prefill)},
       {"elasticity", elasticity}});
}

std::string placement_file(const OffloadRow& row, const std::string& name, const std::string& source) {
  Json json = placement_json(row.candidate.description, name, placement_sentence(row));
  json["sources"] = {{"", source}};
  return document_text(json);
}

}  // namespace moesaic
