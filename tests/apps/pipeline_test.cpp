// moesaic pipeline and the counts of moesaic models, as a user types them.
#include <nlohmann/json.hpp>

#include "tests/apps/json_run.hpp"

namespace moesaic {
namespace {

using Json = nlohmann::json;

const std::string kTimes = " --forward 1ms --backward-input 2ms";

// 4 stages, 8 micro-batches of 3 ms: 24 ms and three times 3 ms of bubble.
TEST(PipelineCommand, OneForwardOneBackward) {
  const Json json = json_of("pipeline --stages 4 --micro-batches 8" + kTimes, "pipeline.json");
  EXPECT_NEAR(json["seconds"].get<double>(), 33e-3, 1e-12);
  EXPECT_NEAR(json["bubble_s"].get<double>(), 9e-3, 1e-12);
  EXPECT_NEAR(json["formula_bubble_s"].get<double>(), 9e-3, 1e-12);
  EXPECT_EQ(json["in_flight"], Json({4, 3, 2, 1}));
}

// A formula of equal stages says nothing where one of them is slower.
TEST(PipelineCommand, StagesMayDiffer) {
  const Json json = json_of(
      "pipeline --stages 2 --micro-batches 8 --forward 1ms,2ms --backward-input 2ms --transfer 1us", "pipeline.json");
  EXPECT_FALSE(json.contains("formula_bubble_s"));
  EXPECT_NEAR(json["ideal_s"].get<double>(), 32e-3, 1e-12);
  EXPECT_GT(json["seconds"].get<double>(), 32e-3);
}

// By (p-1)(F+B-2W) 3 ms and less than nothing, but two micro-batches leave pauses that no weight gradients fill.
TEST(PipelineCommand, NoFormulaWhereItDoesNotHold) {
  const std::string line = "pipeline --schedule zero-bubble --stages 4 --forward 1ms --backward-input 1ms";
  EXPECT_FALSE(
      json_of(line + " --micro-batches 2 --backward-weights 1ms", "pipeline.json").contains("formula_bubble_s"));
  EXPECT_FALSE(
      json_of(line + " --micro-batches 8 --backward-weights 5ms", "pipeline.json").contains("formula_bubble_s"));
  EXPECT_TRUE(
      json_of(line + " --micro-batches 4 --backward-weights 1ms", "pipeline.json").contains("formula_bubble_s"));
}

TEST(PipelineCommand, PicturesShowEveryStage) {
  const Ran text =
      run_line("pipeline --schedule zero-bubble --stages 3 --micro-batches 4 --backward-weights 1ms" + kTimes);
  EXPECT_EQ(text.code, 0) << text.err;
  EXPECT_NE(text.out.find("\n    2 ....."), std::string::npos) << text.out;
  const Ran page = run_line("pipeline --stages 3 --micro-batches 4 --format html" + kTimes);
  EXPECT_EQ(page.code, 0) << page.err;
  EXPECT_NE(page.out.find("stage 2</text>"), std::string::npos);
  EXPECT_NE(page.out.find("backward of micro-batch 3"), std::string::npos);
}

TEST(PipelineCommand, Mistakes) {
  expect_mistake("pipeline --stages 4 --micro-batches 8", {"--forward", "--backward-input"});
  expect_mistake("pipeline --schedule zerobubble --stages 4 --micro-batches 8" + kTimes,
                 {"did you mean 'zero-bubble'"});
  expect_mistake("pipeline --schedule interleaved --chunks 2 --stages 4 --micro-batches 9" + kTimes, {"9", "8 works"});
  expect_mistake("pipeline --schedule dualpipe --stages 5 --micro-batches 20" + kTimes, {"even", "6 works"});
  expect_mistake("pipeline --stages 4 --micro-batches 8 --both-ways 2ms" + kTimes, {"--both-ways", "1f1b", "dualpipe"});
  expect_mistake("pipeline --stages 4 --micro-batches 0" + kTimes, {"--micro-batches", "0"});
  expect_mistake("pipeline --stages 4 --micro-batches 8 --forward 1ms,2ms --backward-input 1ms",
                 {"--forward", "2 times"});
  expect_mistake("pipeline --stages 4 --micro-batches 8 --forward 1 --backward-input 1ms", {"--forward", "unit"});
}

// 2505.09343, table 2: 155 and 250 GFLOP a token.
TEST(ModelsCommand, CountsTraining) {
  for (const auto& [model, published] : {std::pair{"DeepSeek-V2", 155.0}, {"DeepSeek-V3", 250.0}}) {
    const Json json = json_of(std::string("models --model ") + model, "models.json");
    ASSERT_EQ(json["models"].size(), 1U);
    EXPECT_NEAR(json["models"][0]["training_flops_per_token"].get<double>() / 1e9, published, 0.5);
  }
  EXPECT_GT(json_of("models", "models.json")["models"].size(), 30U);
  expect_mistake("models --model DeepSeek-V9", {"DeepSeek-V9"});
  expect_mistake("models --sequence 0", {"--sequence"});
}

}  // namespace
}  // namespace moesaic
