// Reports of judged steps: three scopes that are never mixed, in text, JSON (configs/schema), CSV and page.
#include "reports/step_validation.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/schema/violation.hpp"

namespace moesaic {
namespace {

using Json = nlohmann::json;

/// 1 ms measured; predicted `error` off on measured kernels, half of it at peak rates.
JudgedStep judged(StepKind kind, double error, bool fitted = false) {
  JudgedStep row;
  row.step.kind = kind;
  row.step.file = "table.csv";
  row.step.line = 7;
  row.step.device = "h100-sxm";
  row.step.stack = "vllm";
  row.step.software = "vllm-2023";
  row.step.model = "some/model";
  row.step.format = "bf16";
  row.step.mapping = "tp=2";
  row.step.batch = 5;
  row.step.input = 100;
  row.step.measured = Seconds{1e-3};
  if (kind == StepKind::layer) {
    row.step.file = "layers_some/table.csv";
    row.step.software = "";
    row.step.operators = {"qkv", "o"};
  }
  row.fitted = fitted;
  row.kernels = "vllm as measured on h100-sxm";
  for (Seconds& predicted : row.predicted) {
    predicted = Seconds{1e-3 * (1 + error)};
  }
  row.predicted[static_cast<std::size_t>(StepBasis::peak)] = Seconds{0.5e-3};
  return row;
}

StepJudgement few_steps() {
  StepJudgement judgement;
  judgement.rows = {judged(StepKind::prefill, 0.05), judged(StepKind::decode, 0.5, true),
                    judged(StepKind::layer, -0.02),  judged(StepKind::layer, -0.04),
                    judged(StepKind::layer, 0.30),   judged(StepKind::closed_loop, 0.2)};
  judgement.rows[4].step.input = 3;
  judgement.not_judged["something else"] = 4;
  judgement.used = judgement.fitted = {Software{.name = "vllm-2023", .terms = {}}};
  return judgement;
}

TEST(StepScopes, AreNeverMixed) {
  const StepJudgement judgement = few_steps();
  EXPECT_EQ(scope_rows(judgement, StepScope::fixed_batch, false).size(), 1U);
  EXPECT_EQ(scope_rows(judgement, StepScope::fixed_batch, true).size(), 1U);
  EXPECT_EQ(scope_rows(judgement, StepScope::layers, false).size(), 3U);
  EXPECT_EQ(scope_rows(judgement, StepScope::closed_loop, false).size(), 1U);
  EXPECT_EQ(step_target(StepScope::fixed_batch), 0.08);
  EXPECT_EQ(step_target(StepScope::layers), 0.08);
  EXPECT_EQ(step_target(StepScope::closed_loop), 0.15);
  EXPECT_EQ(worst_steps(judgement, StepScope::layers, 2).size(), 2U);
  EXPECT_EQ(worst_steps(judgement, StepScope::layers, 2).front(), &judgement.rows[4]);
}

std::vector<std::string> bys(const std::vector<StepGroup>& groups) {
  std::vector<std::string> names;
  for (const StepGroup& group : groups) {
    names.push_back(group.by + " " + group.name);
  }
  return names;
}

TEST(StepScopes, GroupByWhatTheyHave) {
  const StepJudgement judgement = few_steps();
  EXPECT_EQ(bys(step_groups(judgement, StepScope::layers)),
            (std::vector<std::string>{"source layers_some", "system h100-sxm", "model some/model", "precision bf16",
                                      "parallelism tp=2", "tokens 8", "tokens 256"}));  // 5 x 3 and 5 x 100
  EXPECT_EQ(bys(step_groups(judgement, StepScope::closed_loop)),
            (std::vector<std::string>{"kind closed_loop", "system h100-sxm", "engine vllm-2023", "model some/model",
                                      "precision bf16", "parallelism tp=2", "concurrency 4"}));
}

TEST(LikelyReason, OfLayersIsAboutKernels) {
  const auto reason = [](double error, auto change) {
    JudgedStep row = judged(StepKind::layer, error);
    change(row);
    return likely_reason(row);
  };
  const auto as_is = [](JudgedStep&) {};
  EXPECT_NE(reason(0.2, as_is).find("last-level cache"), std::string::npos);
  EXPECT_NE(reason(-0.2, as_is).find("products"), std::string::npos);
  EXPECT_NE(reason(-0.2, [](JudgedStep& row) { row.step.input = 1; }).find("few tokens"), std::string::npos);
  EXPECT_NE(reason(-0.2, [](JudgedStep& row) { row.step.operators = {"scores"}; }).find("softmax"), std::string::npos);
  EXPECT_NE(reason(-0.4, [](JudgedStep& row) { row.step.format = "fp8"; }).find("fp8 kernels"), std::string::npos);
  EXPECT_NE(reason(0.4, [](JudgedStep& row) { row.kernels = "borrowed from l40s"; }).find("borrowed"),
            std::string::npos);
  EXPECT_NE(reason(0.4, [](JudgedStep& row) { row.predicted[3] = Seconds{2e-3}; }).find("faster than memory"),
            std::string::npos);
}

TEST(StepValidationJson, FitsItsSchema) {
  const StepJudgement judgement = few_steps();
  const Json json = Json::parse(step_validation_json({judgement, {"data"}}));
  EXPECT_EQ(violation("step_validation.json", json.dump()), "");
  EXPECT_EQ(violation("step_validation.json", step_validation_json({StepJudgement{}, {}})), "");
  const Json& layers = json["layers"];
  EXPECT_EQ(layers["target_median_abs_error"], 0.08);
  EXPECT_EQ(layers["fitted_half"]["rows"], 0);
  EXPECT_EQ(layers["scored_half"]["rows"], 3);
  EXPECT_NEAR(layers["scored_half"]["median_abs_error"], 0.04, 1e-12);
  EXPECT_NEAR(layers["scored_half"]["baselines"]["peak"]["median_abs_error"], 0.5, 1e-12);
  EXPECT_NEAR(layers["worst"][0]["error"], 0.30, 1e-12);
  EXPECT_EQ(layers["worst"][0]["kind"], "layer");
  EXPECT_EQ(layers["worst"][0]["operators"], Json({"qkv", "o"}));
  EXPECT_EQ(json["fixed_batch"]["fitted_half"]["rows"], 1);
  EXPECT_EQ(json["closed_loop"]["target_median_abs_error"], 0.15);
}

TEST(StepValidationJson, SchemaRefusesChanges) {
  const StepJudgement judgement = few_steps();
  const Json good = Json::parse(step_validation_json({judgement, {"data"}}));
  Json json = good;
  json.erase("layers");
  EXPECT_NE(violation("step_validation.json", json.dump()), "");
  json = good;
  json["layers"]["worst"][0]["kind"] = "half a layer";
  EXPECT_NE(violation("step_validation.json", json.dump()), "");
  json = good;
  json["closed_loop"]["groups"][0]["more"] = 1;
  EXPECT_NE(violation("step_validation.json", json.dump()), "");
}

TEST(StepValidationText, ShowsEveryScope) {
  const StepJudgement judgement = few_steps();
  const std::string text = step_validation_text({judgement, {"data"}}, {});
  EXPECT_TRUE(text.starts_with("6 steps judged, 4 rows not\n")) << text;
  const auto line = [&](const std::string& begin) {
    const std::size_t at = text.find("  " + begin);
    return at == text.npos ? "" : text.substr(at, text.find('\n', at) - at);
  };
  EXPECT_NE(line("layers by kernel ").find("scored     3    4.0%"), std::string::npos) << text;
  EXPECT_NE(text.find("nothing of an engine is in them"), std::string::npos);
  for (const char* part :
       {"Scored half, fixed-batch steps", "Scored half, layers by kernel", "Scored half, closed-loop TPOT",
        "Worst, layers by kernel", "layer h100-sxm some/model bf16 tp=2 x5 3 tokens", "layers_some/table.csv:7"}) {
    EXPECT_NE(text.find(part), std::string::npos) << part << "\n" << text;
  }
}

TEST(StepValidationPage, ShowsEveryScope) {
  const StepJudgement judgement = few_steps();
  const std::string page = step_validation_page({judgement, {"data"}}, "moesaic validate steps");
  for (const char* part : {"Fixed-batch steps: both halves", "Layers by kernel: both halves",
                           "Closed-loop TPOT: both halves", "layer h100-sxm some/model bf16 tp=2 x5 3 tokens"}) {
    EXPECT_NE(page.find(part), std::string::npos) << part;
  }
}

TEST(StepValidationCsv, HasOneLineForEachRow) {
  const StepJudgement judgement = few_steps();
  const std::string csv = step_validation_csv({judgement, {"data"}});
  EXPECT_EQ(std::count(csv.begin(), csv.end(), '\n'), 1 + 6);
  EXPECT_NE(csv.find("\nlayer,scored,h100-sxm,,"), std::string::npos) << csv;
}

}  // namespace
}  // namespace moesaic
