// moesaic offload as a user types it.
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/apps/json_run.hpp"

namespace moesaic {
namespace {

using Json = nlohmann::json;

const std::string kOffload = "offload --model Mixtral-8x7B --machine desktop-4090 --input 512 --output 64 ";

Json offloaded(const std::string& line) { return json_of(line, "offload.json"); }

/// Agreement: the placement that is written is one that predict says the same of.
TEST(Offload, WrittenPlacementIsWhatPredictSays) {
  const std::string folder = fresh_folder();
  std::filesystem::create_directories(folder);
  const std::string file = folder + "/placement.json";
  for (const std::string options : {"--dtype weights=int4 ", "--batch 12 ", "--batch any --top 1 "}) {
    const Json best = offloaded(kOffload + options + "--write " + file)["best"][0];
    std::ifstream stream(file);
    std::ostringstream written;
    written << stream.rdbuf();
    EXPECT_EQ(violation("placement.json", written.str()), "");
    const std::string type = options.starts_with("--dtype") ? options : "";
    const Ran ran =
        run_line("predict --model Mixtral-8x7B --machine desktop-4090 --input 512 --output 64 --format json " + type +
                 "--placement " + file + " --batch " + std::to_string(best["batch"].get<int>()) + " --step-tokens " +
                 std::to_string(best["step_tokens"].get<int>()));
    ASSERT_EQ(ran.code, 0) << ran.err;
    const Json predicted = Json::parse(ran.out);
    EXPECT_TRUE(predicted["fits"].get<bool>());
    EXPECT_NEAR(predicted["tpot_s"].get<double>() / best["tpot_s"].get<double>(), 1, 1e-9) << options;
    EXPECT_NEAR(predicted["ttft_s"].get<double>() / best["ttft_s"].get<double>(), 1, 1e-9) << options;
  }
  std::filesystem::remove_all(folder);
}

TEST(Offload, BestIsNoSlowerThanAnyOther) {
  const Json found = offloaded(kOffload);
  EXPECT_EQ(found["best"].size(), 10U);
  for (const char* list : {"best", "of_kinds"}) {
    for (const Json& row : found[list]) {
      EXPECT_GE(row["tpot_s"], found["best"][0]["tpot_s"]);
      EXPECT_EQ(violation("placement.json", row["placement"].dump()), "");
      for (const char* place : {"device", "host"}) {
        EXPECT_LE(row["memory_bytes"][place]["total"], row["memory_bytes"][place]["capacity"]);
      }
    }
  }
}

TEST(Offload, SameBytesEveryTime) {
  const Ran ran = run_line(kOffload);
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_EQ(run_line(kOffload).out, ran.out);
  EXPECT_NE(ran.out.find("10% more host memory bandwidth"), std::string::npos);
}

/// Unit: what is taken as given reaches those placements that it is about, and changes no others.
TEST(Offload, AssumesAPrefetcher) {
  const Json none = offloaded(kOffload),
             foresees = offloaded(kOffload + "--set placement.experts.prefetch.accuracy=0.9");
  ASSERT_EQ(none["of_kinds"].size(), foresees["of_kinds"].size());
  for (const Json& row : foresees["of_kinds"]) {
    const bool fetches = row["kind"] == "fetched";
    EXPECT_EQ(row["placement"]["experts"]["prefetch"]["accuracy"], fetches ? 0.9 : 0);
    const auto same = std::count(none["of_kinds"].begin(), none["of_kinds"].end(), row);
    EXPECT_EQ(same, fetches ? 0 : 1) << row["kind"];
  }
}

TEST(Offload, Mistakes) {
  expect_mistake("offload --model DeepSeek-V3 --machine desktop-4090",
                 {"673 GB", "no placement fits on desktop-4090", "lacks", "no smaller storage type would fit"});
  expect_mistake("offload --model Qwen3-235B-A22B --machine desktop-4090", {"lacks", "--dtype weights=int4 would fit"});
  expect_mistake("offload --model Mixtral-8x7B --machine rtx-4090", {"no host", "desktop-4090"});
  expect_mistake(kOffload + "--slo tpot=1ms", {"no placement on desktop-4090 keeps tpot=1.00 ms", "the least tpot is"});
  expect_mistake(kOffload + "--set placement.experts.device=1", {"--set", "placement.experts.prefetch"});
  expect_mistake(kOffload + "--set placement.experts.prefetch.accuracy=1.2", {"--set", "from 0 to 1, found 1.2"});
  expect_mistake(kOffload + "--objective tpt", {"--objective", "tpot"});
  expect_mistake(kOffload + "--batch 0", {"--batch", "0"});
  expect_mistake(kOffload + "--batch all", {"--batch", "all"});
  expect_mistake(kOffload + "--step-tokens 0", {"--step-tokens", "0"});
  expect_mistake(kOffload + "--write no-such-folder/placement.json", {"--write"});
  expect_mistake(kOffload + "--machne x", {"did you mean '--machine'"});
}

}  // namespace
}  // namespace moesaic
