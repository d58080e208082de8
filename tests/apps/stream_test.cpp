// moesaic stream, as a user types it, and what placements say of caches and of nodes without a device.
#include <filesystem>
#include <fstream>

#include "apps/study_runner.hpp"
#include "reports/names.hpp"
#include "tests/apps/json_run.hpp"
#include "tests/user_error.hpp"

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

// The page says what the JSON says.
TEST(StreamCommand, PageSaysTheSame) {
  const nlohmann::json json = json_of(kLine + "--running 64 --requests 1000", "stream.json");
  const Ran page = run_line(kLine + "--running 64 --requests 1000 --format html");
  ASSERT_EQ(page.code, 0) << page.err;
  EXPECT_NE(page.out.find("bound by " + json["bound"].get<std::string>()), std::string::npos);
  for (const char* key : {"output_tokens_per_s", "total_tokens_per_s"}) {
    EXPECT_NE(page.out.find(rate_text(PerSecond{json["throughput"][key].get<double>()})), std::string::npos) << key;
  }
  for (const nlohmann::json& bar : json["pass"]["waterfall"]) {
    EXPECT_EQ(page.out.find(bar["name"].get<std::string>()) != std::string::npos, bar["seconds"].get<double>() > 0);
  }
  EXPECT_NE(page.out.find("1,000 requests"), std::string::npos);
  EXPECT_EQ(page.out.find("<script src"), std::string::npos);
}

TEST(StreamCommand, MistakesAreOneLine) {
  EXPECT_EQ(run_line(kLine + "--cache 70GB/s").code, 2);
  EXPECT_NE(run_line(kLine + "--cache many").err.find("--cache: "), std::string::npos);
  EXPECT_NE(run_line(kLine + "--runing 3").err.find("--running"), std::string::npos);
}

// A study runs it; a mistake in what the study defines is named by the study's name for it, not by a file of ours.
TEST(StreamCommand, StudiesRunItOnTheirOwnPlacements) {
  const auto run = [](const std::string& placement) {
    const Config config = Config::parse(R"({
      "define": {"placements": {"mine": {"name": "mine", "dense": {"device": 0}, )" +
                                            placement + R"(}}},
      "a": {"stream": {"model": "Mixtral-8x7B", "machine": "xeon-8380-a40", "placement": "mine", "input": 98,
                       "output": 32, "running": 64}}})",
                                        "study.json");
    StudyCommands commands(read_definitions(config));
    return commands.run(read_run("a", config.at("a")));
  };
  EXPECT_EQ(run(R"("buffered_layers": 2)").at("running"), 64);
  const std::string said = user_error([&] { run(R"("buffered_leyers": 2)"); });
  EXPECT_NE(said.find("define 'mine'"), std::string::npos) << said;
  EXPECT_NE(said.find("buffered_layers"), std::string::npos) << said;
}

TEST(CacheCommand, GuessesMayTakeSlots) {
  const std::string line = "cache --experts 32 --top-k 4 --layers 2 --capacity 8 --policy lru --locality repeat=0.7 ";
  const auto hits = [&](const std::string& prefetch) {
    const nlohmann::json json = json_of(line + "--prefetch " + prefetch, "cache.json");
    return json["capacities"]["8"]["lru"]["prefetch"]["hit_rate"].get<double>();
  };
  EXPECT_LT(hits("accuracy=0,guesses=kept"), hits("accuracy=0"));
  EXPECT_NE(run_line(line + "--prefetch accuracy=0,guesses=keep").err.find("neither buffered nor kept"),
            std::string::npos);
}

// A cache's hits are simulated from what its placement says.
TEST(PlacementOption, HitsOfACacheAreSimulated) {
  const std::string line =
      "predict --model Qwen1.5-MoE --machine i9-9900x-3090 --placement fate --input 64 --output 16 ";
  const auto pace = [&](const std::string& more) {
    return json_of(line + more, "prediction.json")["tpot_s"].get<double>();
  };
  EXPECT_LT(pace("--set placement.experts.cache.repeat=0.9"), pace(""));
  const std::string both = run_line(line + "--set placement.experts.hits=0.5").err;
  EXPECT_NE(both.find("give one of them"), std::string::npos) << both;
}

TEST(OffloadCommand, TakesAPlacementsPrefetcher) {
  const std::string line = "offload --model Qwen1.5-MoE --machine i9-9900x-3090 --input 64 --output 16 --top 1 ";
  const auto tpot = [&](const std::string& more) {
    const nlohmann::json json = json_of(line + more, "offload.json");
    for (const nlohmann::json& each : json["of_kinds"]) {
      if (each["kind"] == "fetched") {
        return each["tpot_s"].get<double>();
      }
    }
    return 0.0;
  };
  EXPECT_GT(tpot(""), 0);
  EXPECT_LT(tpot("--placement fate --engine none"), tpot(""));
  EXPECT_NE(run_line(line + "--placement resident").err.find("divides nothing"), std::string::npos);
}

// "device": "none": the CPUs run it, and nothing can be on the device.
TEST(Machines, NodesMayHaveNoDevice) {
  std::filesystem::create_directories(fresh_folder());
  const std::string file = (std::filesystem::path(fresh_folder()) / "cpus.json").string();
  std::ofstream(file) << R"({"name": "cpus", "kind": "node", "device": "none", "devices": 1, "host": "xeon-6980p"})";
  const std::string line = "predict --model Mixtral-8x7B --batch 1 --input 64 --output 8 --machine " + file;
  const nlohmann::json json = json_of(line + " --placement host", "prediction.json");
  EXPECT_EQ(json["fits"], true);
  EXPECT_GT(json["memory"]["host"]["weights"].get<double>(), 93e9);
  EXPECT_EQ(json_of(line, "prediction.json")["fits"], false);
  EXPECT_NE(run_line(line + " --placement streamed").err.find("a link to it"), std::string::npos);
}

}  // namespace
}  // namespace moesaic
