// moesaic experts: what it prints, and what it says of mistakes.
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/apps/run.hpp"
#include "tests/schema/violation.hpp"

namespace moesaic {
namespace {

using Json = nlohmann::json;

Json placed(const std::string& more) {
  const Ran ran = run_line("experts --format json " + more);
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_EQ(violation("experts.json", ran.out), "") << ran.out;
  return Json::parse(ran.out);
}

std::string mistake(const std::string& more) {
  const Ran ran = run_line("experts " + more);
  EXPECT_EQ(ran.code, 2) << more;
  EXPECT_EQ(ran.out, "") << more;
  EXPECT_EQ(std::count(ran.err.begin(), ran.err.end(), '\n'), 1) << ran.err;
  return ran.err.substr(0, ran.err.find('\n'));
}

TEST(Experts, LowLatencyBytesAreThoseOfDeepEp) {
  // DeepEP's low-latency kernels, 128 tokens of 7168, top-8, fp8 out and bf16 back: 7.57 MB and 14.68 MB a rank with
  // what stays on the rank, which is 1 in 128 here. (github.com/deepseek-ai/DeepEP: 192 us at 39 GB/s, 369 us at 39.)
  const Json json = placed("--model DeepSeek-V3 --ranks 128 --copies per-expert");
  EXPECT_EQ(json["question"]["dispatch_row_bytes"], 7392);
  EXPECT_EQ(json["question"]["combine_row_bytes"], 14336);
  const Json& blocks = json["placements"][0];
  const auto sent = [&](const char* way) {
    return blocks[way]["network"]["mean_bytes"].get<double>() + blocks[way]["scale_up"]["mean_bytes"].get<double>();
  };
  EXPECT_NEAR(sent("dispatch"), 128 * 8 * 7392 * 127.0 / 128, 1);
  EXPECT_NEAR(sent("combine"), 128 * 8 * 14336 * 127.0 / 128, 1);
  EXPECT_NEAR(blocks["local_activation"].get<double>(), 1.0 / 128, 1e-9);
  EXPECT_NEAR(sent("dispatch") / 39e9, 192e-6, 0.02 * 192e-6);
}

TEST(Experts, NodeLimitedTokensStayOnFourNodes) {
  const Json json = placed("--model DeepSeek-V3 --ranks 64 --copies per-node");
  EXPECT_EQ(json["question"]["top_groups"], 4);
  const double nodes = json["placements"][0]["distinct_nodes"];
  EXPECT_LE(nodes, 4);
  EXPECT_GT(nodes, 3.9);
  EXPECT_GT(placed("--model DeepSeek-V3 --ranks 64 --top-groups 0")["placements"][0]["distinct_nodes"], 5);
  // Dealt in turn, every node holds experts of every group, and the limit saves nothing.
  EXPECT_GT(json["placements"][1]["distinct_nodes"], 5);
}

TEST(Experts, BalancedWithCopiesIsTheMostEven) {
  const Json json = placed("--model DeepSeek-V3 --ranks 32 --redundant 32 --routing zipf:0.8");
  const auto imbalance = [&](std::size_t i) { return json["placements"][i]["imbalance"].get<double>(); };
  EXPECT_LT(imbalance(2), imbalance(0));
  EXPECT_LT(imbalance(2), imbalance(1));
  EXPECT_LT(imbalance(3), imbalance(0));
  EXPECT_LE(json["placements"][3]["deviation_bound"], json["placements"][3]["deviation"]);
  EXPECT_TRUE(json["placements"][0]["deviation_bound"].is_null());
}

TEST(Experts, SyntheticAffinityIsWhatTheOptimumUses) {
  const std::string line = "--model Mixtral-8x7B --ranks 8 --ranks-per-node 4 --affinity 0.6";
  const Json json = placed(line);
  EXPECT_EQ(json["question"]["layers"], 32);
  const Json &blocks = json["placements"][0]["next_layer"], &best = json["placements"][3]["next_layer"];
  EXPECT_LT(best["slowest_pairs_seconds"], blocks["slowest_pairs_seconds"]);
  EXPECT_GT(best["same_rank"], blocks["same_rank"]);
  EXPECT_NEAR(best["bound_seconds"].get<double>() / best["slowest_pairs_seconds"].get<double>(), 1, 1e-9);
  EXPECT_EQ(run_line("experts " + line).out, run_line("experts " + line).out);
  EXPECT_NE(run_line("experts " + line).out, run_line("experts --seed 2 " + line).out);
}

TEST(Experts, WhatHasNoOptimumSaysWhy) {
  const Ran ran = run_line("experts --model DeepSeek-V3 --ranks 320 --redundant 64");
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_NE(ran.out.find("No optimum: optimal placement: 256 experts do not divide into 320 ranks"), std::string::npos);
  const Json json = placed("--model DeepSeek-V3 --ranks 320 --redundant 64");
  EXPECT_TRUE(json["placements"][3].contains("missing"));
}

TEST(Experts, ReadsTraces) {
  const std::string folder = fresh_folder(), file = folder + "/trace.json";
  std::filesystem::create_directories(folder);
  // Two layers, four tokens of Mixtral on four ranks of two experts: token i uses experts 2i and 2i + 1, its own
  // rank's.
  std::ofstream(file) << R"({"top_k": 2, "layers": [[0, 1, 2, 3, 4, 5, 6, 7], [0, 1, 2, 3, 4, 5, 7, 6]]})";
  const Json json = placed("--model Mixtral-8x7B --ranks 4 --routing " + file);
  EXPECT_EQ(json["question"]["layers"], 2);
  const Json& blocks = json["placements"][0];
  EXPECT_EQ(blocks["imbalance"], 1);
  EXPECT_EQ(blocks["local_activation"], 1);
  EXPECT_EQ(blocks["dispatch"]["scale_up"]["mean_bytes"], 0);
  EXPECT_EQ(blocks["next_layer"]["same_rank"], 1);
  EXPECT_EQ(json["placements"][1]["local_activation"], 0.25);  // rank r holds experts r and r + 4
  EXPECT_EQ(mistake("--model Mixtral-8x22B --ranks 4 --tokens 0 --routing " + file),
            "moesaic: --tokens: 0 is not at least 1");
  EXPECT_EQ(mistake("--model Qwen3-30B --ranks 4 --routing " + file),
            "moesaic: " + file + ": top_k: is of a model with 2 experts a token; this one has 8");
  EXPECT_EQ(mistake("--model Mixtral-8x7B --ranks 8 --routing " + file),
            "moesaic: routing trace: 4 tokens are fewer than the 8 ranks that they are dealt to");
  std::filesystem::remove_all(folder);
}

TEST(Experts, MistakesAreOneLine) {
  EXPECT_EQ(mistake("--model DeepSeek-V3 --ranks 320"),
            "moesaic: expert placement: 320 ranks are more than 256 experts and 0 redundant ones; add at least 64 "
            "redundant experts");
  EXPECT_EQ(mistake("--model DeepSeek-V3 --ranks 64 --redundant 32"),
            "moesaic: expert placement: 256 experts and 32 redundant ones do not fill 64 ranks evenly; nearest numbers "
            "of redundant experts: 0 and 64");
  EXPECT_EQ(mistake("--model DeepSeek-V3 --ranks 64 --ranks-per-node 7"),
            "moesaic: expert placement: 64 ranks do not fill nodes of 7; ranks must be a multiple of it");
  EXPECT_EQ(mistake("--model DeepSeek-V3 --ranks 64 --top-groups 9"),
            "moesaic: expert groups: a token uses 9 of 8 groups; allowed: 1 to all of them");
  EXPECT_EQ(mistake("--model Mixtral-8x7B --ranks 4 --top-groups 1"),
            "moesaic: --top-groups: the model has no expert groups; say how many with --groups");
  EXPECT_EQ(mistake("--model Mixtral-8x7B --ranks 4 --copies per-nod"),
            "moesaic: --copies: unknown rule 'per-nod' (did you mean 'per-node'?)");
  EXPECT_EQ(mistake("--model Llama-3.1-70B --ranks 4"),
            "moesaic: --model: meta-llama/Llama-3.1-70B has no routed experts");
  EXPECT_EQ(mistake("--model Mixtral-8x7B --ranks 4 --layers 3"),
            "moesaic: --layers: is for a synthetic trace; give it an --affinity too");
  EXPECT_EQ(mistake("--model Mixtral-8x7B --ranks 4 --affinity 2"),
            "moesaic: synthetic trace: affinity is 2; allowed: 0 to 1");
  EXPECT_EQ(
      mistake("--model Mixtral-8x7B --ranks 4 --affinity 0.5 --routing zipff:1"),
      "moesaic: unknown routing 'zipff:1' (did you mean 'zipf'?); allowed: uniform, even, zipf:EXPONENT, FILE.json");
  EXPECT_EQ(mistake("--model Mixtral-8x7B --ranks 4 --seed -1"), "moesaic: --seed: -1 is negative");
  EXPECT_EQ(mistake("--model Mixtral-8x7B --ranks 4 --gap 2"),
            "moesaic: --seconds 20 and --gap 2: seconds must be above 0, and the gap 0 to 1");
  EXPECT_EQ(mistake("--model Mixtral-8x7B --ranks 4 --machine desktop-4090"),
            "moesaic: --machine: desktop-4090 has no scale-up link; name a machine that has");
}

}  // namespace
}  // namespace moesaic
