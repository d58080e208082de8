// moesaic stream, as a user types it.
#include "tests/apps/json_run.hpp"

namespace moesaic {
namespace {

const std::string kLine =
    "stream --model Mixtral-8x7B --machine xeon-8380-a40 --placement moe-lens --input 98 --output 32 ";

TEST(StreamCommand, JsonAndTextSayTheSame) {
  const nlohmann::json json = json_of(kLine + "--cache 70GB --requests 25000", "stream.json");
  EXPECT_EQ(json["bound"], "the cache's budget (--cache)");
  EXPECT_LE(json["cache_bytes"].get<double>(), 70e9);
  // Generated tokens of a pass are one of every request that runs.
  EXPECT_NEAR(json["throughput"]["output_tokens_per_s"].get<double>() * json["pass"]["seconds"].get<double>(),
              json["running"].get<double>(), 1e-6);
  EXPECT_EQ(json["batch"]["requests"], 25000);
  double bars = json["pass"]["limit"]["seconds"].get<double>();
  for (const nlohmann::json& bar : json["pass"]["waterfall"]) {
    bars += bar["seconds"].get<double>();
  }
  EXPECT_NEAR(bars, json["pass"]["seconds"].get<double>(), 1e-9);
  const Ran text = run_line(kLine + "--cache 70GB --requests 25000");
  EXPECT_NE(text.out.find("batch of 25,000 requests"), std::string::npos) << text.out << text.err;
  EXPECT_FALSE(json_of(kLine + "--running 64", "stream.json").contains("batch"));
}

TEST(StreamCommand, MistakesAreOneLine) {
  EXPECT_EQ(run_line(kLine + "--cache 70GB/s").code, 2);
  EXPECT_NE(run_line(kLine + "--cache many").err.find("--cache: "), std::string::npos);
  EXPECT_NE(run_line(kLine + "--runing 3").err.find("--running"), std::string::npos);
}

}  // namespace
}  // namespace moesaic
