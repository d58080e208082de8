#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "reports/step_validation.hpp"

namespace moesaic {
namespace {

using Json = nlohmann::ordered_json;

Json scores_json(const std::vector<const JudgedStep*>& rows) {
  const StepScores scores = step_scores(rows, StepBasis::measured);
  Json json{
      {"rows", scores.rows}, {"median_abs_error", scores.median}, {"p90_abs_error", scores.p90}, {"bias", scores.bias}};
  for (const StepBasis basis : {StepBasis::kernels, StepBasis::efficiency, StepBasis::peak}) {
    const StepScores other = step_scores(rows, basis);
    json["baselines"][std::string(name(basis))] = {{"median_abs_error", other.median}, {"p90_abs_error", other.p90}};
  }
  return json;
}

Json terms_json(const std::vector<Software>& all) {
  Json json = Json::array();
  for (const Software& software : all) {
    json.push_back({{"engine", software.name},
                    {"host_time", software.terms.host_time.value},
                    {"sampling", software.terms.sampling.value},
                    {"kernel_gap", software.terms.kernel_gap.value},
                    {"launch", software.terms.launch.value},
                    {"prompt_token", software.terms.prompt_token.value},
                    {"graphs", software.terms.graphs}});
  }
  return json;
}

Json row_json(const JudgedStep& row) {
  const MeasuredStep& step = row.step;
  return {{"kind", name(step.kind)},
          {"device", step.device},
          {"engine", step.software},
          {"model", step.model},
          {"precision", step.format},
          {"mapping", step.mapping},
          {"operators", step.operators},
          {"concurrency", step.batch},
          {"input", step.input},
          {"output", step.output},
          {"file", step.file},
          {"line", step.line},
          {"measured", step.measured.value},
          {"predicted", row.predicted[0].value},
          {"error", row.error(StepBasis::measured)},
          {"likely_reason", likely_reason(row)}};
}

}  // namespace

std::string step_validation_json(const StepValidation& validation) {
  const StepJudgement& judgement = validation.judgement;
  Json json{{"version", "1"}, {"kind", "step validation"}, {"data", validation.data}};
  for (const StepScope scope : kStepScopes) {
    Json part;
    part["target_median_abs_error"] = step_target(scope);
    for (const bool fitted : {true, false}) {
      part[fitted ? "fitted_half" : "scored_half"] = scores_json(scope_rows(judgement, scope, fitted));
    }
    part["groups"] = Json::array();
    for (const StepGroup& group : step_groups(judgement, scope)) {
      Json scores = scores_json(group.rows);
      scores["by"] = group.by;
      scores["name"] = group.name;
      part["groups"].push_back(std::move(scores));
    }
    part["worst"] = Json::array();
    for (const JudgedStep* row : worst_steps(judgement, scope, 10)) {
      part["worst"].push_back(row_json(*row));
    }
    json[std::string(name(scope))] = std::move(part);
  }
  json["terms_used"] = terms_json(judgement.used);
  json["terms_fitted"] = terms_json(judgement.fitted);
  json["not_judged"] = Json::array();
  for (const auto& [why, rows] : judgement.not_judged) {
    json["not_judged"].push_back({{"rows", rows}, {"why", why}});
  }
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace moesaic
