// moesaic cache as a user types it.
#include "tests/apps/json_run.hpp"

namespace moesaic {
namespace {

using Json = nlohmann::json;

TEST(CacheCommand, PoliciesPrefetchAndBatches) {
  const Json json = json_of(
      "cache --model Mixtral-8x7B --layers 4 --locality repeat=0.3 --capacity 2,2x,100% --policy lru,optimal "
      "--prefetch accuracy=0.9,0.7,extra=1,window=4 --batch 4 --batching",
      "cache.json");
  const Json& capacities = json["capacities"];
  EXPECT_EQ(capacities["2x"]["experts"], 4);
  EXPECT_EQ(capacities["100%"]["held_experts"], 32);
  EXPECT_LE(capacities["2"]["lru"]["hit_rate"], capacities["2"]["optimal"]["hit_rate"]);
  EXPECT_GE(capacities["2"]["lru"]["prefetch"]["hit_rate"], capacities["2"]["lru"]["hit_rate"]);
  EXPECT_GE(json["distinct_experts"]["decode-first"], json["distinct_experts"]["regrouped"]);
  EXPECT_NEAR(json["expert_bytes"].get<double>(), 3.0 * 4096 * 14336 * 2, 1);  // bf16, gate, up and down
}

TEST(CacheCommand, SameSeedSameBytes) {
  const std::string line = "cache --experts 16 --top-k 2 --routing zipf:1 --policy random --seed ";
  EXPECT_EQ(run_line(line + "7").out, run_line(line + "7").out);
  EXPECT_NE(run_line(line + "7").out, run_line(line + "8").out);
}

TEST(CacheCommand, Mistakes) {
  const std::string layer = "cache --experts 8 --top-k 2 ";
  expect_mistake("cache", {"--model", "--experts"});
  expect_mistake(layer + "--capacity 9", {"--capacity", "1 to 8"});
  expect_mistake(layer + "--capacity -1", {"1 to 8"});
  expect_mistake(layer + "--capacity much", {"'much' is not a number"});
  expect_mistake(layer + "--policy lrv", {"lrv", "lru"});
  expect_mistake(layer + "--locality repeat=1.2", {"0 to 1"});
  expect_mistake(layer + "--locality srp=0.1@16", {"can be had"});
  expect_mistake(layer + "--locality repaet=0.2", {"repaet", "repeat"});
  expect_mistake(layer + "--prefetch accuracy=1.2", {"1.2", "0 to 1"});
  expect_mistake(layer + "--prefetch accuracy=0.9,0.8", {"2 layers ahead", "1"});
  expect_mistake(layer + "--load-deviation 60%", {"43"});
  expect_mistake(layer + "--cold", {"--document"});
  expect_mistake(layer + "--waiting 8", {"--batching"});
  expect_mistake("cache --experts 2 --top-k 3", {"--top-k", "1 to 2"});
  expect_mistake("cache --model Llama-3.1-8B", {"no routed experts"});
}

}  // namespace
}  // namespace moesaic
