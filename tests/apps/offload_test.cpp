// moesaic offload as a user types it.
#include <algorithm>
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

std::string written_to(const std::string& file, const Json& placement) {
  std::filesystem::create_directories(std::filesystem::path(file).parent_path());
  std::ofstream(file) << placement.dump();
  return file;
}

/// Agreement: of a cache of experts predict simulates the hits again, from what the placement says of it. A search with
/// one has it where missing experts are copied in, and nowhere else.
TEST(Offload, CachedPlacementsAreWhatPredictSays) {
  const std::string folder = fresh_folder(), question = "--model Qwen3-30B-A3B --machine desktop-4090 --input 512 ";
  const Json found = offloaded("offload " + question + "--output 64 --srp 0.6@16 --cache-policy lfu");
  const Json without = offloaded("offload " + question + "--output 64");
  int cached = 0;
  for (const Json& row : found["of_kinds"]) {
    const Json& cache = row["placement"]["experts"]["cache"];
    EXPECT_EQ(!cache.is_null(), row["kind"] == "fetched");
    if (cache.is_null()) {
      EXPECT_TRUE(std::any_of(without["of_kinds"].begin(), without["of_kinds"].end(), [&](const Json& other) {
        return other["placement"] == row["placement"] && other["tpot_s"] == row["tpot_s"];
      })) << row["kind"];
      continue;
    }
    ++cached;
    EXPECT_EQ(cache["policy"], "lfu");
    EXPECT_EQ(violation("placement.json", row["placement"].dump()), "");
    const Ran ran = run_line("predict " + question + "--output 64 --format json --placement " +
                             written_to(folder + "/cached.json", row["placement"]) + " --step-tokens " +
                             std::to_string(row["step_tokens"].get<int>()));
    ASSERT_EQ(ran.code, 0) << ran.err;
    const Json predicted = Json::parse(ran.out);
    EXPECT_TRUE(predicted["fits"].get<bool>());
    EXPECT_NEAR(predicted["tpot_s"].get<double>() / row["tpot_s"].get<double>(), 1, 1e-9);
    EXPECT_NEAR(predicted["ttft_s"].get<double>() / row["ttft_s"].get<double>(), 1, 1e-9);
    const auto blind = std::find_if(without["of_kinds"].begin(), without["of_kinds"].end(),
                                    [](const Json& other) { return other["kind"] == "fetched"; });
    ASSERT_NE(blind, without["of_kinds"].end());
    EXPECT_LT(row["tpot_s"], (*blind)["tpot_s"]);  // tokens that resemble their neighbours are found more often
  }
  EXPECT_EQ(cached, 1);
  std::filesystem::remove_all(folder);
}

/// Agreement: what a search says of prompts that ride on decodes is what stream says of the placement, and a search for
/// the best stream orders by it.
TEST(Offload, StreamsAreWhatStreamSays) {
  const std::string folder = fresh_folder();
  for (const std::string objective : {"throughput", "stream"}) {
    const Json found = offloaded(kOffload + "--batch 64 --objective " + objective);
    EXPECT_EQ(found["objective"], objective);
    int streams = 0;
    for (const Json& row : found["of_kinds"]) {
      const Ran ran = run_line(
          "stream --model Mixtral-8x7B --machine desktop-4090 --input 512 --output 64 --running 64 "
          "--format json --placement " +
          written_to(folder + "/riding.json", row["placement"]));
      EXPECT_EQ(ran.code == 0, !row["stream_output_tokens_per_s"].is_null()) << row["kind"];
      if (ran.code == 0) {
        ++streams;
        const double rate = row["stream_output_tokens_per_s"].get<double>();
        EXPECT_NEAR(Json::parse(ran.out)["throughput"]["output_tokens_per_s"].get<double>() / rate, 1, 1e-9);
        if (objective == "stream") {
          const double best = found["best"][0]["stream_output_tokens_per_s"].get<double>();
          EXPECT_NEAR(row["speed_of_best"].get<double>(), rate / best, 1e-9);
        }
      }
    }
    EXPECT_GT(streams, 0);
  }
  EXPECT_NE(run_line(kOffload + "--batch 64").out.find("in a stream"), std::string::npos);
  EXPECT_EQ(run_line(kOffload).out.find("in a stream"), std::string::npos);
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

/// Choices that no expert computes are none of any placement.
TEST(Offload, TakesSkippedChoicesAsGiven) {
  const Json skips = offloaded(kOffload + "--set placement.experts.skipped=0.25");
  ASSERT_FALSE(skips["of_kinds"].empty());
  for (const Json& row : skips["of_kinds"]) {
    EXPECT_EQ(row["placement"]["experts"]["skipped"], 0.25) << row["kind"];
  }
}

/// Slots and tokens at once are those of every placement that has a use for them, from --set as from --placement, and
/// what is written says so.
TEST(Offload, TakesSlotsAndTokensAtOnceAsGiven) {
  const std::string sets =
      "--set placement.experts.buffered=4 --set placement.activations.tokens=256 --set placement.cache.attended=0.5";
  const std::string folder = fresh_folder(), file = folder + "/slots.json";
  std::filesystem::create_directories(folder);
  std::ofstream(file) << R"({"name": "slots", "experts": {"missing": "fetched", "buffered": 4},
                             "activations": {"tokens": 256}, "cache": {"attended": 0.5}, "engine": "moe-gen"})";
  for (const std::string& given : {sets, "--placement " + file}) {
    const Json found = offloaded(kOffload + given);
    ASSERT_FALSE(found["of_kinds"].empty());
    for (const Json& row : found["of_kinds"]) {
      const bool copied = row["kind"] == "fetched" || row["kind"] == "streamed";
      const Json& slots = row["placement"]["experts"]["buffered"];
      EXPECT_EQ(slots.is_null() ? 0 : slots.get<int>(), copied ? 4 : 0) << row["kind"];
      EXPECT_EQ(row["placement"]["activations"]["tokens"], 256) << row["kind"];
      EXPECT_EQ(row["placement"]["cache"]["attended"], 0.5) << row["kind"];
      EXPECT_EQ(row["placement"].value("engine", ""), given == sets ? "" : "moe-gen") << row["kind"];
      if (copied) {
        EXPECT_EQ(row["placement"]["batches"], 1) << row["kind"];
      }
    }
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
  expect_mistake(kOffload + "--srp 1.2", {"--srp", "1.2", "above 0 and up to 1"});
  expect_mistake(kOffload + "--srp 0.01", {"--srp: "});
  expect_mistake(kOffload + "--srp 0.5 --batch any", {"--batch", "one number of requests"});
  expect_mistake(kOffload + "--cache-policy lruu", {"--cache-policy", "lru"});
  expect_mistake("offload --model Llama-3.1-8B --machine desktop-4090 --cache-policy lru", {"no routed experts"});
  expect_mistake(kOffload + "--machne x", {"did you mean '--machine'"});
}

}  // namespace
}  // namespace moesaic
