// What-ifs and options do what they say.
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/apps/json_run.hpp"

namespace moesaic {
namespace {

using Json = nlohmann::json;

Json predict_json(const std::string& options) {
  const Ran ran = run_line("predict " + options + " --format json");
  EXPECT_EQ(ran.code, 0) << ran.err;
  return ran.code == 0 ? Json::parse(ran.out) : Json();
}

constexpr const char* kMixtral = "--model Mixtral-8x7B --machine dgx-h100 --batch 64 --input 1024 --output 256 ";

double step(const Json& json) { return json["decode"]["seconds_per_step"]; }

TEST(Predict, MoreBandwidthHelpsAMemoryBoundStep) {
  const Json base = predict_json(kMixtral);
  const Json more = predict_json(std::string(kMixtral) + "--set device.memory.bandwidth=6.7TB/s");
  // Half of the measured step is latency, communication and host time, which a faster memory leaves as they are.
  EXPECT_LT(step(more), 0.85 * step(base));
  EXPECT_GT(step(more), 0.5 * step(base));
}

TEST(Predict, ElasticityIsTheSlope) {
  // 10 % more bandwidth by hand against the reported percent per percent.
  const Json base = predict_json(kMixtral);
  const Json more = predict_json(std::string(kMixtral) + "--set device.memory.bandwidth=3.685TB/s");
  const double bought = more["throughput"]["output_tokens_per_s"].get<double>() /
                            base["throughput"]["output_tokens_per_s"].get<double>() -
                        1;
  EXPECT_NEAR(bought, 0.1 * base["elasticity"]["device.memory.bandwidth"].get<double>(), 0.006);
}

TEST(Predict, ModelFiguresCanBeSetToo) {
  const Json base = predict_json(kMixtral);
  const Json one = predict_json(std::string(kMixtral) + "--set model.num_experts_per_tok=1");
  EXPECT_LT(one["prefill"]["seconds"].get<double>(), base["prefill"]["seconds"].get<double>());
}

TEST(Predict, TypesChangeMemoryAsTheirBits) {
  const Json bf16 = predict_json(std::string(kMixtral) + "--dtype kv=bf16");
  const Json fp8 = predict_json(std::string(kMixtral) + "--dtype kv=fp8");
  EXPECT_NEAR(fp8["memory"]["kv"].get<double>() * 2, bf16["memory"]["kv"].get<double>(), 2);
  EXPECT_EQ(bf16["memory"]["kv_per_token"], 131072);
}

// The largest share of experts that is named fits, and no larger one.
TEST(Predict, SaysHowManyExpertsWouldFit) {
  const std::string asked =
      "--model Mixtral-8x7B --machine desktop-4090 --placement fiddler --set placement.experts.device=";
  const double most = predict_json(asked + "0.5")["advice"]["experts_on_device"];
  EXPECT_GT(most, 0.1);
  EXPECT_TRUE(predict_json(asked + std::to_string(most - 1e-6))["fits"]);
  EXPECT_FALSE(predict_json(asked + std::to_string(most + 1 / 256.0))["fits"]);
  // The host may be the one that is short.
  const std::string small_host = asked + "0 --set host.memory.capacity=80GB";
  EXPECT_FALSE(predict_json(small_host)["fits"]);
  EXPECT_DOUBLE_EQ(predict_json(small_host)["advice"]["experts_on_device"].get<double>(), most);
  EXPECT_TRUE(predict_json(asked + "0 --set host.memory.capacity=40GB")["advice"]["experts_on_device"].is_null());
  const Ran text = run_line("predict " + asked + "0.5");
  EXPECT_NE(text.out.find("placement.experts.device=0."), std::string::npos) << text.out;
}

TEST(Predict, PointsToTheHost) {
  EXPECT_TRUE(predict_json("--model Mixtral-8x7B --machine desktop-4090")["advice"]["host_has_room"]);
  EXPECT_FALSE(predict_json("--model DeepSeek-V3 --machine desktop-4090")["advice"]["host_has_room"]);
  EXPECT_FALSE(predict_json("--model Mixtral-8x7B --machine rtx-4090")["advice"]["host_has_room"]);
  EXPECT_TRUE(predict_json("--model Mixtral-8x7B --machine desktop-4090")["advice"]["experts_on_device"].is_null());
}

TEST(Predict, SaysWhatWouldFit) {
  const Json json = predict_json("--model DeepSeek-V3 --machine dgx-h100 --batch 8 --input 1024 --output 64");
  EXPECT_FALSE(json["fits"]);
  EXPECT_EQ(json["running_batch"], 0);
  EXPECT_TRUE(json["ttft_s"].is_null());
  EXPECT_EQ(json["advice"]["fewest_devices"], 16);
  // Latent caches are the same on every tensor-parallel rank: 1,024 x 9,216 tokens of 70 kB are 663 GB, and 1.34 TB of
  // weights in bf16 are 21 GB on each of 64. Fewer devices hold more attention weights or more cache than 80 GB.
  const Json cached = predict_json(
      "--model DeepSeek-V3 --machine dgx-a100 --dtype weights=bf16 --batch 1024 --input 8192 --output 1024");
  EXPECT_EQ(cached["advice"]["fewest_devices"], 64);
  EXPECT_EQ(cached["advice"]["fewest_devices_mapping"], "tp=4,ep=64,dp=16");
  const Json large = predict_json("--model Mixtral-8x7B --machine dgx-h100 --batch 8000 --input 4096 --output 512");
  EXPECT_FALSE(large["fits"]);
  const double running = large["running_batch"];
  EXPECT_GT(running, 0);
  EXPECT_LT(running, 8000);
  EXPECT_EQ(large["advice"]["largest_batch"].get<double>(), running);
  double capacity = -1;
  for (const Json& bar : large["waterfall"]) {
    capacity = bar["id"] == "capacity" ? bar["seconds"].get<double>() : capacity;
  }
  EXPECT_GT(capacity, 0);
}

TEST(Predict, SaysWhichSmallerTypesWouldFit) {
  const auto advice = [](const std::string& load) {
    return predict_json("--model Mixtral-8x7B --machine dgx-h100 --input 4096 --output 512 " + load)["advice"];
  };
  // 85.5 GB less 8 %; 11.7 GB of weights and 75.5 MB a request in bf16.
  EXPECT_EQ(advice("--batch 900")["smaller_type"], "weights=fp8");
  EXPECT_EQ(advice("--batch 1500")["smaller_type"], "kv=fp8");
  EXPECT_EQ(advice("--batch 1750")["smaller_type"], "weights=fp8,kv=fp8");
  EXPECT_TRUE(advice("--batch 1750 --dtype weights=int4,kv=int4")["smaller_type"].is_null());
}

// What nobody measured borrows a sibling's kernels; a faster memory must not make it change the sibling.
TEST(Predict, AWhatIfKeepsTheKernelsItsMachineBorrows) {
  const std::string load = "--model Mixtral-8x7B --dtype weights=fp8 --batch 32 --input 512 --output 64 --machine ";
  const Json base = predict_json(load + "h100-pcie");
  EXPECT_NE(base["cost_model"].get<std::string>().find("borrowed"), std::string::npos);
  double last = step(base);
  for (const char* bandwidth : {"3TB/s", "6TB/s", "12TB/s"}) {
    const Json faster = predict_json(load + "h100-pcie --set device.memory.bandwidth=" + bandwidth);
    EXPECT_EQ(faster["cost_model"], base["cost_model"]) << bandwidth;
    EXPECT_LT(step(faster), last) << bandwidth;
    last = step(faster);
  }
  // A file that says the same, and a device that has a name of its own.
  Json machine = Json::parse(run_line("machines show h100-pcie").out);
  const std::string file = fresh_folder() + ".json";
  machine["device"]["memory"]["bandwidth"] = "12 TB/s";
  std::ofstream(file) << machine;
  EXPECT_EQ(step(predict_json(load + file)), last);
  machine["device"]["name"] = "own";
  machine["device"]["memory"]["bandwidth"] = "2 TB/s";
  std::ofstream(file) << machine;
  EXPECT_EQ(step(predict_json(load + file + " --set device.memory.bandwidth=12TB/s")), last);
  std::filesystem::remove(file);
}

TEST(Predict, SkewedRoutingCostsTime) {
  const std::string options =
      "--model DeepSeek-V3 --machine dgx-h200 --map tp=1,dp=8,ep=8 --batch 512 --input 512 --output 64 ";
  const Json uniform = predict_json(options);
  const Json skewed = predict_json(options + "--routing zipf:1.0");
  EXPECT_GT(skewed["waterfall"][0]["seconds"].get<double>(), uniform["waterfall"][0]["seconds"].get<double>());
  EXPECT_EQ(uniform["waterfall"][0]["id"], "routing_imbalance");
}

TEST(Predict, PlacementsAnswerTheirQuestions) {
  // All weights cross PCIe once a step: no decode step is faster than the layers' bytes over the link.
  const Json streamed = predict_json(
      "--model Mixtral-8x7B --machine xeon-8380-a40 --placement streamed --batch 64 --input 98 --output 32");
  EXPECT_EQ(streamed["limit"]["resource"], "device.host_link.bandwidth");
  // A wide channel for low intensities: decode is faster than on the same device without it.
  const std::string duplex = "--model Mixtral-8x7B --machine duplex-4 --batch 32 --input 1024 --output 256 ";
  EXPECT_LT(step(predict_json(duplex + "--placement two-unit")),
            0.7 * step(predict_json(duplex + "--placement resident")));
}

TEST(Predict, ExplainSumsToItsStep) {
  const Ran ran = run_line(std::string("explain ") + kMixtral + "--format json");
  ASSERT_EQ(ran.code, 0) << ran.err;
  const Json json = Json::parse(ran.out);
  double sum = 0;
  for (const Json& row : json["operators"]) {
    sum += row["seconds"].get<double>() * row["count"].get<double>();
  }
  EXPECT_LE(sum, json["step_seconds"].get<double>());
  EXPECT_GT(sum, 0.8 * json["step_seconds"].get<double>());
}

// With pipeline stages: a micro-batch's operators on the slowest stage, and the table says so.
TEST(Predict, ExplainNamesTheStage) {
  const std::string line = std::string("explain ") + kMixtral + "--map tp=2,pp=4 --phase decode ";
  const Json json = json_of(line, "operators.json");
  EXPECT_EQ(json["pipeline"]["stages"], 4);
  EXPECT_EQ(json["pipeline"]["micro_batches"], 4);
  EXPECT_EQ(json["pipeline"]["requests"], 16);
  for (const Json& row : json["operators"]) {
    EXPECT_LE(row["count"].get<double>(), 8);  // 32 layers over 4 stages
  }
  EXPECT_NE(run_line(line).out.find("One of 4 micro-batches, of 16 requests, on the slowest of 4 pipeline stages"),
            std::string::npos);
  EXPECT_FALSE(json_of(std::string("explain ") + kMixtral, "operators.json").contains("pipeline"));
}

}  // namespace
}  // namespace moesaic
