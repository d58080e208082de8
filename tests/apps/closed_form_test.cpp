// moesaic closed-form as a user types it, and studies by their group.
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>

#include "tests/apps/json_run.hpp"
#include "tests/schema/violation.hpp"

namespace moesaic {
namespace {

using Json = nlohmann::json;

Json results(const std::string& line) { return json_of("closed-form " + line, "closed_form.json")["results"]; }

const std::string kLightning =
    "moe-lightning --model Mixtral-8x7B --gpu-memory 24GiB --cpu-memory 192GiB --link 16GiB/s --gpu-bandwidth 285GiB/s "
    "--cpu-bandwidth 76GiB/s --compute 104TFLOP/s --cpu-compute 1.6TFLOP/s --prompt 77 --generated 32";
const std::string kFlexGen =
    "flexgen --layers 48 --hidden 7168 --heads 56 --width 28672 --matrices 2 --prompt 512 --generated 32 "
    "--micro-batch 48 --micro-batches 3 --weights-on 20,80 --kv-on 0,100 --activations-on 0,100";

// Table 2 of MoE-Lens in decimal units: 150 TFLOP/s over 32 GB/s times 8 / 2.
TEST(ClosedForm, PositionalAndNamed) {
  const std::string figures = " --model Mixtral-8x7B --compute 150TFLOP/s --link 32GB/s --length 512";
  const Json named = results("--form moe-lens" + figures);
  EXPECT_DOUBLE_EQ(named["tokens_to_saturate"].get<double>(), 18750);
  EXPECT_DOUBLE_EQ(named["kv_to_saturate_bytes"].get<double>(), 18750. * 512 * 131072);
  EXPECT_EQ(results("moe-lens" + figures), named);
}

// A model by its numbers is the model by its name.
TEST(ClosedForm, ModelByNumbers) {
  const std::string load = " --prompt 98 --generated 32 --kv 70GB --weights 94GB --link 19.5GB/s --gpu-tokens 18236";
  EXPECT_EQ(
      results("moe-lens --model Mixtral-8x7B" + load),
      results("moe-lens --layers 32 --hidden 4096 --heads 32 --kv-heads 8 --width 14336 --experts 8 --top-k 2" + load));
}

// A given policy, its best share left out, and what the README of the authors prints for it.
TEST(ClosedForm, LightningSharesAndSearches) {
  const Json policy = results(kLightning + " --micro-batch 324 --micro-batches 14");
  EXPECT_NEAR(policy["resident"].get<double>(), 0.055884688, 5e-10);
  EXPECT_NEAR(policy["tokens_per_s"].get<double>(), 944.66, 5e-3);
  const Json best = results(kLightning), every = results(kLightning + " --micro-batches-tried every");
  EXPECT_GE(best["tokens_per_s"].get<double>(), policy["tokens_per_s"].get<double>());
  EXPECT_GE(every["tokens_per_s"].get<double>(), best["tokens_per_s"].get<double>());
  EXPECT_EQ(every["fits"], 1);
}

TEST(ClosedForm, FlexGenTakesOtherRates) {
  const Json t4 = results(kFlexGen);
  EXPECT_NEAR(t4["tokens_per_s"].get<double>(), 7.14, 5e-3);
  EXPECT_GT(results(kFlexGen + " --link 25GB/s")["tokens_per_s"], t4["tokens_per_s"]);
  EXPECT_LT(results(kFlexGen + " --compressed")["cpu_memory_bytes"], t4["cpu_memory_bytes"]);
}

// Three of ten layers in the ring, 2 ms to load and 1 ms to compute each: loads are the limit. From empty slots the
// last layer is done one computation after the tenth load.
TEST(ClosedForm, RingMemory) {
  const Json ring = results("ring-memory --layers 10 --slots 3 --layer-bytes 64MB --link 32GB/s --compute-time 1ms");
  EXPECT_DOUBLE_EQ(ring["layer_s"].get<double>(), 2e-3);
  EXPECT_NEAR(ring["total_s"].get<double>(), 21e-3, 1e-12);
  EXPECT_DOUBLE_EQ(ring["ring_bytes"].get<double>(), 192e6);
}

// All forms of --list answer to figures of their own; no key of one is missing in another's JSON by accident.
TEST(ClosedForm, EveryFormAnswers) {
  const std::vector<std::string> lines = {
      "moe-lens --model Mixtral-8x7B --tokens 1000",
      "roofline --compute 242TFLOP/s --gpu-bandwidth 300GB/s --cpu-compute 1.3TFLOP/s --cpu-bandwidth 100GB/s --link "
      "16GB/s --intensity 64 --cpu-intensity 2",
      kLightning,
      kFlexGen,
      "pre-gated --layers 6 --experts 128 --expert-bytes 18.9MB --link 32GB/s --tokens 4 --other-time 1ms",
      "ring-memory --layers 10 --slots 2 --load-time 1ms",
      "attention-split --cpu-time 3ms --gpu-time 1ms --copy-time 2ms --share 50%",
      "pipelined-layer --gpu-time 3ms --to-gpu 1GB --link 20GB/s --cpu-bandwidth 100GB/s",
      "expert-misses --layers 32 --top-k 2 --hit 50% --expert-bytes 352MB --link 16GB/s --resident-time 20ms"};
  const std::string list = run_line("closed-form --list").out;
  std::size_t listed = static_cast<std::size_t>(std::count(list.begin(), list.end(), '\n'));
  EXPECT_EQ(listed, lines.size());
  for (const std::string& line : lines) {
    EXPECT_NE(list.find(words(line).front()), std::string::npos);
    EXPECT_FALSE(results(line).empty()) << line;
    const Ran text = run_line("closed-form " + line);
    EXPECT_EQ(text.code, 0) << text.err;
    EXPECT_NE(text.out.find(words(line).front()), std::string::npos);
  }
}

// Few sequences: MoE-Lens's streaming time of the layers' weights is the limit of its placement's step, up to the
// activations that cross the same link (the router's weights too), and the step itself is above it.
TEST(ClosedForm, StreamingIsTheLimitOfMoeLensPlacement) {
  const Json decode = json_of(
      "predict --model mixtral-8x7b --machine xeon-8380-a40 --placement moe-lens --batch 64 --input 98 --output 32",
      "prediction.json")["decode"];
  const double bytes = results(kLightning)["weights_bytes"].get<double>();
  const double streaming =
      results("moe-lens --model mixtral-8x7b --link 31.5GB/s --weights " + std::to_string(bytes) + "B")["streaming_s"]
          .get<double>();
  const double limit = decode["limit_seconds_per_step"].get<double>();
  EXPECT_EQ(decode["limit"]["resource"], "device.host_link.bandwidth");
  EXPECT_GE(limit, streaming);
  EXPECT_LE(limit, streaming * 1.001);
  EXPECT_GE(decode["seconds_per_step"].get<double>(), limit);
}

TEST(ClosedForm, Mistakes) {
  expect_mistake("closed-form", {"--list"});
  expect_mistake("closed-form moe-lenz", {"did you mean 'moe-lens'"});
  expect_mistake("closed-form moe-lens --model Mixtral-8x7B", {"--compute", "--prompt"});
  expect_mistake("closed-form moe-lens --model DeepSeek-V3 --tokens 3", {"layers differ", "Mixtral"});
  expect_mistake("closed-form moe-lens --model Mixtral-8x7B --compute 150TFLOP/s", {"needs --link"});
  expect_mistake("closed-form moe-lens --model Mixtral-8x7B --prompt 3 --generated 2 --requests 5", {"needs --kv"});
  expect_mistake("closed-form moe-lens --model Mixtral-8x7B --tokens 3 --slots 2", {"--slots", "moe-lens"});
  expect_mistake("closed-form moe-lens --model Mixtral-8x7B --tokens x3", {"--tokens", "'x3'"});
  expect_mistake("closed-form moe-lens --model Mixtral-8x7B --tokens 3 --slotz 2", {"did you mean '--slots'"});
  expect_mistake("closed-form moe-lens --hidden 8 --heads 1 --width 8 --layers 1 --experts 2 --top-k 3 --tokens 1",
                 {"--top-k", "found 3", "2 experts"});
  expect_mistake("closed-form ring-memory --layers 1.5 --slots 1 --load-time 1ms", {"--layers", "whole"});
  expect_mistake("closed-form ring-memory --layers 2 --slots 1 --layer-bytes 1GB --load-time 1ms", {"--load-time"});
  expect_mistake("closed-form expert-misses --layers 2 --hit 1.2 --expert-bytes 1GB --link 1GB/s --resident-time 1ms",
                 {"--hit", "1.2", "0 to 1"});
  expect_mistake("closed-form attention-split --cpu-time 0s --gpu-time 1s", {"--cpu-time", "zero"});
  expect_mistake("closed-form " + kFlexGen + " --kv-on 50", {"--kv-on"});
  expect_mistake(
      "closed-form moe-lightning --model Mixtral-8x22B --gpu-memory 4GiB --cpu-memory 64GiB --link 16GiB/s "
      "--gpu-bandwidth 285GiB/s --cpu-bandwidth 76GiB/s --compute 104TFLOP/s --cpu-compute 1.6TFLOP/s --prompt 77 "
      "--generated 32",
      {"fits"});
}

// A group is all of its studies, once each, also where a name is given too.
TEST(Reproduce, ByGroup) {
  const Json json = json_of("reproduce fabric multi-plane", "reproduction.json");
  std::set<std::string> systems, rows;
  for (const Json& row : json["rows"]) {
    systems.insert(row["system"]);
    EXPECT_TRUE(rows.insert(row["system"].get<std::string>() + ": " + row["id"].get<std::string>()).second) << row;
  }
  for (const char* system : {"multi-plane", "ethereal", "deepep-normal", "deepep-low-latency", "tutel-all-to-all"}) {
    EXPECT_TRUE(systems.contains(system)) << system;
  }
  EXPECT_FALSE(systems.contains("tutel-layer"));
}

}  // namespace
}  // namespace moesaic
