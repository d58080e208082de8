// moesaic search as a user types it.
#include <nlohmann/json.hpp>

#include "tests/apps/json_run.hpp"

namespace moesaic {
namespace {

using Json = nlohmann::json;

const std::string kSearch = "search --model Mixtral-8x7B --machine dgx-h100 --profile default ";

Json searched(const std::string& line) { return json_of(line, "search.json"); }

/// Agreement: what the best is said to do is what predict says of it.
TEST(Search, BestIsWhatPredictSays) {
  const Json best = searched(kSearch + "--input 512 --output 64")["best"][0];
  const int copies = best["copies"].get<int>();
  EXPECT_EQ(best["devices"].get<int>() * copies, 8);
  const Ran ran = run({"predict", "--model", "Mixtral-8x7B", "--machine", "dgx-h100", "--profile", "default", "--input",
                       "512", "--output", "64", "--map", best["mapping"].get<std::string>(), "--batch",
                       std::to_string(best["batch"].get<int>()), "--format", "json"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  const Json predicted = Json::parse(ran.out);
  EXPECT_NEAR(predicted["tpot_s"].get<double>(), best["tpot_s"].get<double>(), 1e-12);
}

// Placements that choose by what units attain, and engines that placements name, are those of predict.
TEST(Search, PlacementsAreThoseOfPredict) {
  for (const std::string scenario :
       {"--model Mixtral-8x7B --machine duplex-4 --placement faster-unit --profile dram --input 1024 --output 64",
        "--model Mixtral-8x7B --machine xeon-8380-a40 --placement ktransformers --input 1024 --output 64"}) {
    const Json found = searched("search --batch 96 --top 3 " + scenario);
    EXPECT_FALSE(found["best"].empty());
    for (const Json& row : found["best"]) {
      const std::string of_row = " --map " + row["mapping"].get<std::string>() + " --batch " +
                                 std::to_string(row["batch"].get<int>()) + " --format json";
      const Json predicted = Json::parse(run_line("predict " + scenario + of_row).out);
      EXPECT_NEAR(predicted["tpot_s"].get<double>() / row["tpot_s"].get<double>(), 1, 1e-9) << scenario + of_row;
    }
  }
}

// Cache alone fills the memory of a unit that is apart, long before weights fill the processor's.
TEST(Search, ShowsTheFullerMemory) {
  const std::string of_gpt3 =
      "--model nvidia/gpt3-175b --machine attacc-8 --devices 8 --input 1024 --output 512 --profile dram ";
  const Json best = searched("search --top 1 " + of_gpt3)["best"][0];
  const std::string batch = " --batch " + std::to_string(best["batch"].get<int>()) + " --map ";
  const Json memory = Json::parse(
      run_line("predict --format json " + of_gpt3 + batch + best["mapping"].get<std::string>()).out)["memory"];
  const auto filled = [](const Json& of) { return of["total"].get<double>() / of["capacity"].get<double>(); };
  EXPECT_GT(filled(memory["near_memory"]), filled(memory));
  EXPECT_NEAR(best["memory_bytes"].get<double>() / best["capacity_bytes"].get<double>(), filled(memory["near_memory"]),
              1e-12);
}

TEST(Search, SameBytesEveryTime) {
  EXPECT_EQ(run_line(kSearch).out, run_line(kSearch).out);
  EXPECT_NE(run_line(kSearch).out.find("loses"), std::string::npos);
}

/// Property: pruning changes counts and nothing else.
TEST(Search, ExhaustiveFindsTheSame) {
  const std::string line = kSearch + "--slo tpot=12ms ";
  Json pruned = searched(line), all = searched(line + "--exhaustive");
  EXPECT_GT(pruned["counts"]["pruned"], 0);
  EXPECT_EQ(all["counts"]["pruned"], 0);
  pruned.erase("counts");
  all.erase("counts");
  EXPECT_EQ(pruned, all);
}

/// Unit: requests are shared among copies, and none runs more at once than asked for.
TEST(Search, SharesABatch) {
  const Json found = searched(kSearch + "--batch 100 --devices 4");
  for (const Json& row : found["best"]) {
    const int copies = row["copies"].get<int>();
    EXPECT_EQ(row["batch"].get<int>(), (100 + copies - 1) / copies);
  }
}

TEST(Search, HasAPage) {
  const Ran ran = run_line(kSearch + "--format html");
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_NE(ran.out.find("data-chart=\"front\""), std::string::npos);
}

const std::string kTraining =
    "search --training --model Qwen3-1.7B --machine dgx-h100 --profile default --global-batch 32 --sequence 2048 ";

/// Agreement: what the best step is said to take is what train says of it.
TEST(Search, BestStepIsWhatTrainSays) {
  const Json found = searched(kTraining + "--micro-batch 1 --recompute none --zero 1 --schedule 1f1b");
  const std::string map = found["best"][0]["mapping"].get<std::string>();
  const Ran ran =
      run(words("train --model Qwen3-1.7B --machine dgx-h100 --profile default --global-batch 32 --sequence "
                "2048 --format json --map " +
                map + (map.find("etp") == std::string::npos ? ",etp=1" : "")));
  ASSERT_EQ(ran.code, 0) << ran.err;
  EXPECT_NEAR(Json::parse(ran.out)["step_s"].get<double>(), found["best"][0]["step_s"].get<double>(), 1e-12);
}

TEST(Search, MistakesOfTraining) {
  expect_mistake(kTraining + "--slo tpot=1s", {"--slo", "step"});
  expect_mistake(kTraining + "--slo step=1us", {"no mapping keeps step=1.00 us", "the shortest step is"});
  expect_mistake(kTraining + "--objective ttft", {"--objective", "step"});
  expect_mistake(kTraining + "--recompute al", {"--recompute"});
  expect_mistake(kTraining + "--devices 16", {"dgx-h100 has 8, not 16"});
  expect_mistake("search --training --model Qwen3-1.7B --machine dgx-h100 --global-batch 0",
                 {"--global-batch", "0 is not"});
  expect_mistake("search --training --model Llama-3.1-405B --machine dgx-h100", {"no mapping of", "lacks"});
  // Too slow even at its limit, so that nobody has asked whether it fits.
  expect_mistake("search --training --model Mixtral-8x7B-v0.1 --machine dgx-h100 --slo step=1ns",
                 {"no mapping of", "fits", "lacks"});
}

TEST(Search, Mistakes) {
  expect_mistake(kSearch + "--objective tpt", {"--objective", "tpot"});
  expect_mistake(kSearch + "--slo tpt=5ms", {"--slo", "did you mean 'tpot'"});
  expect_mistake(kSearch + "--slo tpot", {"--slo", "tpot=50ms"});
  expect_mistake(kSearch + "--slo tpot=5", {"--slo", "tpot", "unit is missing"});
  expect_mistake(kSearch + "--slo tpot=0ms", {"--slo", "above zero"});
  expect_mistake(kSearch + "--slo tpot=5ms,tpot=6ms", {"--slo", "twice"});
  expect_mistake(kSearch + "--top 0", {"--top", "1000"});
  expect_mistake(kSearch + "--devices 9", {"--devices", "dgx-h100 has 8, not 9"});
  expect_mistake(kSearch + "--devices 0", {"--devices", "0"});
  expect_mistake(kSearch + "--batch many", {"--batch", "many"});
  expect_mistake(kSearch + "--batch 0", {"--batch", "0"});
  expect_mistake(kSearch + "--input 0", {"--input", "0"});
  expect_mistake(kSearch + "--placement streaming", {"did you mean 'streamed'"});
  expect_mistake(kSearch + "--slo tpot=1ms", {"no mapping of 8 devices keeps tpot=1.00 ms", "the least tpot is"});
  expect_mistake("search --model DeepSeek-V3 --machine dgx-h100",
                 {"no mapping of", "lacks", "16 devices would hold it"});
  expect_mistake(kSearch + "--modle x", {"did you mean '--model'"});
}

}  // namespace
}  // namespace moesaic
