// moesaic train, as a user types it.
#include <nlohmann/json.hpp>

#include "tests/apps/json_run.hpp"

namespace moesaic {
namespace {

using Json = nlohmann::json;

const std::string kTrain = "train --model Mixtral-8x22B-v0.1 --machine eos --profile default ";

Json trained(const std::string& line) { return json_of(line, "training.json"); }

TEST(Train, DefaultsAreMegatronCores) {
  const Json found = trained(kTrain + "--devices 128 --map tp=2,pp=8,ep=4");
  const Json& mapping = found["mapping"];
  EXPECT_EQ(mapping["data"], 8);
  EXPECT_EQ(mapping["expert_tensor"], 2);
  EXPECT_EQ(mapping["expert_data"], 2);
  EXPECT_EQ(mapping["sequence"], true);
  EXPECT_EQ(found["training"]["micro_batches"], 32);
  EXPECT_EQ(found["precision"], "weights=bf16,activations=bf16,kv=bf16");
  double sum = 0;
  for (const auto& [name, seconds] : found["parts_s"].items()) {
    sum += seconds.get<double>();
  }
  EXPECT_NEAR(sum, found["step_s"].get<double>(), 1e-9);
  EXPECT_NEAR(found["tokens_per_s"].get<double>() * found["step_s"].get<double>(), 256 * 4096, 1e-3);
}

// A checkpoint in fp8 is trained in 16 bits unless told otherwise; products in fp8 take half as long at most.
TEST(Train, FormatsOfProducts) {
  const std::string line =
      "train --model DeepSeek-V3 --machine h800-cluster --devices 1024 --profile peak --map pp=16,ep=64";
  const Json plain = trained(line + " --global-batch 1024"),
             fp8 = trained(line + " --global-batch 1024 --dtype weights=fp8");
  EXPECT_EQ(plain["precision"], "weights=bf16,activations=bf16,kv=bf16");
  EXPECT_LT(fp8["parts_s"]["compute"].get<double>(), plain["parts_s"]["compute"].get<double>());
  EXPECT_GT(fp8["parts_s"]["compute"].get<double>(), 0.5 * plain["parts_s"]["compute"].get<double>());
}

TEST(Train, TextSaysWhereTheStepGoes) {
  const Ran ran = run_line(kTrain + "--devices 128 --map tp=2,pp=8,ep=8,etp=1 --capacity-factor 1");
  EXPECT_EQ(ran.code, 0) << ran.err;
  for (const char* part : {"fits: ", "MFU", "pipeline: idle and transfers", "expert parallelism",
                           "Memory of the fullest stage", "capacity factor 1", "etp=1"}) {
    EXPECT_NE(ran.out.find(part), std::string::npos) << part << "\n" << ran.out;
  }
}

// What does not fit is told with what would, and that fits when it is asked for.
TEST(Train, SaysWhatWouldFit) {
  const std::string line = kTrain + "--devices 128 --capacity-factor 1 --map ";
  const Json tight = trained(line + "tp=2,pp=4,ep=8,etp=1");
  ASSERT_FALSE(tight["fits"].get<bool>());
  const Json& advice = tight["advice"];
  const Json& memory = tight["memory_bytes"];
  EXPECT_DOUBLE_EQ(advice["missing_bytes"].get<double>(),
                   memory["total"].get<double>() - memory["capacity"].get<double>());
  ASSERT_FALSE(advice["options"].empty());
  for (const Json& option : advice["options"]) {
    const std::string setting = option["mapping"].get<std::string>() + " --recompute " +
                                option["recompute"].get<std::string>() + " --zero " +
                                std::to_string(option["zero"].get<int>()) + " --micro-batch " +
                                std::to_string(option["micro_batch"].get<int>());
    const Json again = trained(line + setting);
    EXPECT_TRUE(again["fits"].get<bool>()) << setting;
    EXPECT_FALSE(again.contains("advice"));
    EXPECT_DOUBLE_EQ(again["step_s"].get<double>(), option["step_s"].get<double>()) << setting;
  }
  const Ran ran = run_line(line + "tp=2,pp=4,ep=8,etp=1");
  for (const char* part : {"DOES NOT FIT", "short by", "What would fit, changing least", "--recompute"}) {
    EXPECT_NE(ran.out.find(part), std::string::npos) << part << "\n" << ran.out;
  }
  // Of a machine that is too small, what comes nearest.
  const Ran none = run_line("train --model DeepSeek-V3 --machine dgx-h100 --profile default --map ep=8");
  EXPECT_NE(none.out.find("nothing that was tried on up to 8 devices"), std::string::npos) << none.out;
  EXPECT_TRUE(trained("train --model DeepSeek-V3 --machine dgx-h100 --profile default --map ep=8")["advice"].contains(
      "closest"));
}

TEST(Train, Mistakes) {
  expect_mistake(kTrain + "--devices 100 --map tp=2,pp=8", {"tp x pp x dp", "100", "for example"});
  expect_mistake(kTrain + "--devices 128 --map tp=2,pp=64", {"pp=64", "at most pp=56"});
  expect_mistake(kTrain + "--devices 128 --map tp=8,ep=8,pp=16", {"ep=8", "tp=8", "8 devices", "etp=1"});
  expect_mistake(kTrain + "--devices 128 --map tp=2 --global-batch 100", {"--global-batch", "100", "128"});
  expect_mistake(kTrain + "--devices 4096 --map tp=2", {"4096", "1024"});
  expect_mistake(kTrain + "--recompute ful", {"did you mean 'full'"});
  expect_mistake(kTrain + "--zero 4", {"--zero", "0 to 3"});
  expect_mistake(kTrain + "--schedule 1f1", {"did you mean '1f1b'"});
  expect_mistake(kTrain + "--attention flash", {"--attention", "fused"});
  for (const char* factor : {"-1", "nan", "inf", "1001"}) {
    expect_mistake(kTrain + "--capacity-factor " + factor, {"--capacity-factor", "up to 1000", factor});
  }
  expect_mistake(kTrain + "--map tp=2,vp=2", {"unknown key 'vp'"});
}

}  // namespace
}  // namespace moesaic
