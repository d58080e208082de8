// agreement and unit: measured layers against the operators that explain prints, apart from whole steps.
#include "sim/judge_steps.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/model/replicas.hpp"

namespace moesaic {
namespace {

Deployment deploy(const MeasuredStep& step, const std::string& cost) {
  const Architecture architecture = read_architecture(load_model_config(step.model));
  const Machine machine = many(step.device, parse_mapping(step.mapping, std::nullopt).devices());
  return {StepPlan(architecture, parse_precision(step.precision, architecture.precision), machine,
                   parse_mapping(step.mapping, std::nullopt), resident_placement()),
          load_cost_model(cost, machine)};
}

MeasuredStep layer(std::vector<std::string> operators) {
  MeasuredStep step;
  step.kind = StepKind::layer;
  step.device = "a40";
  step.stack = "vllm";
  step.model = "meta-llama/Llama-2-70b-hf";
  step.precision = "weights=bf16,kv=bf16";
  step.mapping = "tp=2";
  step.batch = 3;
  step.input = 640;
  step.measured = Seconds{1e-3};
  step.operators = std::move(operators);
  return step;
}

/// The sum of operators in the layers of `explain`.
double explained(const MeasuredStep& step, const std::string& cost) {
  const OperatorTable table =
      explain_step(deploy(step, cost), {.batch = step.batch, .input = step.input, .output = 1}, Phase::prefill);
  double sum = 0;
  for (const OperatorRow& row : table.rows) {
    const bool wanted = std::find(step.operators.begin(), step.operators.end(), row.operator_) != step.operators.end();
    sum += wanted && row.block == "layers 0-79" ? row.time.value : 0;
  }
  return sum;
}

TEST(JudgeLayers, AddsUpTheOperatorsOfExplain) {
  for (const std::vector<std::string>& operators :
       {std::vector<std::string>{"norm", "qkv", "rotary", "o", "up", "activation", "down"},
        std::vector<std::string>{"scores", "reduce attention", "reduce feed-forward"}, std::vector<std::string>{"o"}}) {
    MeasuredSteps steps;
    steps.rows = {layer(operators)};
    const StepJudgement judgement = judge_steps(steps, deploy, {});
    ASSERT_EQ(judgement.rows.size(), 1U);
    const JudgedStep& row = judgement.rows.front();
    const auto predicted = [&](StepBasis basis) { return row.predicted[static_cast<std::size_t>(basis)].value; };
    EXPECT_NEAR(predicted(StepBasis::kernels), explained(row.step, "vllm"), 1e-12);
    EXPECT_EQ(predicted(StepBasis::measured), predicted(StepBasis::kernels)) << "no terms of an engine";
    EXPECT_NEAR(predicted(StepBasis::efficiency), explained(row.step, "default"), 1e-12);
    EXPECT_NEAR(predicted(StepBasis::peak), explained(row.step, "peak"), 1e-12);
    EXPECT_GT(predicted(StepBasis::peak), 0);
    EXPECT_FALSE(row.fitted);
    EXPECT_TRUE(judgement.used.empty());
    EXPECT_TRUE(judgement.fitted.empty());
  }
}

// 70B parameters in bf16 are 140 GB; an A40 has 48.
TEST(JudgeLayers, NeedNotHoldTheNetwork) {
  MeasuredSteps steps;
  steps.rows = {layer({"up"})};
  steps.rows[0].mapping = "tp=1";
  EXPECT_EQ(judge_steps(steps, deploy, {}).rows.size(), 1U);
  steps.rows[0].kind = StepKind::prefill;
  EXPECT_EQ(judge_steps(steps, deploy, {}).rows.size(), 0U);
}

TEST(JudgeLayers, SayWhatTheyLack) {
  MeasuredSteps steps;
  steps.rows = {layer({"up", "experts"}), layer({"up"})};
  const StepJudgement judgement = judge_steps(steps, deploy, {});
  EXPECT_EQ(judgement.rows.size(), 1U);
  ASSERT_EQ(judgement.not_judged.size(), 1U);
  EXPECT_NE(judgement.not_judged.begin()->first.find("'experts'"), std::string::npos);
}

// One shipped profile was fitted on a table of layers: judging that table by it would prove nothing.
TEST(JudgeLayers, AreNotJudgedByAFitOfTheirOwnTable) {
  EXPECT_EQ(load_cost_model("vllm", machine_named("rtx-pro-6000"))->name(), "vllm-0.24.0 as measured on rtx-pro-6000");
}

// Layers change nothing in the terms that whole steps are fitted and judged by.
TEST(JudgeLayers, LeaveTheTermsOfStepsAlone) {
  MeasuredStep step = layer({});
  step.kind = StepKind::decode;
  step.mapping = "tp=8";
  step.software = "vllm-2023";
  step.output = 16;
  step.measured = Seconds{50e-3};
  MeasuredSteps alone, together;
  for (std::int64_t batch = 1; batch <= 16; batch *= 2) {
    step.batch = batch;
    alone.rows.push_back(step);
  }
  together.rows = alone.rows;
  together.rows.push_back(layer({"up"}));
  const StepJudgement a = judge_steps(alone, deploy, {.refit = true}),
                      b = judge_steps(together, deploy, {.refit = true});
  ASSERT_EQ(a.rows.size() + 1, b.rows.size());
  ASSERT_EQ(a.used.size(), 1U);
  ASSERT_EQ(b.used.size(), 1U);
  EXPECT_EQ(a.used[0].terms.host_time.value, b.used[0].terms.host_time.value);
  for (std::size_t i = 0; i < a.rows.size(); ++i) {
    EXPECT_EQ(a.rows[i].predicted[0].value, b.rows[i].predicted[0].value);
  }
}

}  // namespace
}  // namespace moesaic
