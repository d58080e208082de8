// Placements described in JSON: the shipped ones fit the schema, --set changes them, and mistakes are one line.
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "base/catalog.hpp"
#include "tests/apps/json_run.hpp"

namespace moesaic {
namespace {

using Json = nlohmann::json;

constexpr const char* kPlacementLoad = "predict --model Mixtral-8x7B-v0.1 --batch 1 --input 64 --output 8 ";
constexpr const char* kGoodPlacement =
    "predict --model Mixtral-8x7B-v0.1 --machine xeon-8380-a40 --batch 1 --input 64 --output 8 ";

TEST(PlacementFiles, ShippedOnesFitTheSchemaAndNameTheirSources) {
  const auto entries = list_catalog("placements");
  EXPECT_GE(entries.size(), 12U);
  for (const CatalogEntry& entry : entries) {
    const Json placement = Json::parse(std::ifstream(entry.file));
    EXPECT_EQ(violation("placement.json", placement.dump()), "") << entry.file;
    EXPECT_TRUE(placement.contains("sources")) << entry.file;
    EXPECT_EQ(placement.at("name"), entry.name);
    const std::string machine = placement.contains("units") ? "duplex-4" : "xeon-8380-a40";
    EXPECT_EQ(run_line(kPlacementLoad + ("--machine " + machine + " --placement " + entry.name)).code, 0) << entry.name;
  }
}

/// The first line of a file with this content, in a folder of this test's own.
std::string file_with(const std::string& name, const std::string& content) {
  std::filesystem::create_directories(fresh_folder());
  const std::string file = fresh_folder() + "/" + name;
  std::ofstream(file) << content;
  return file;
}

double tpot(const std::string& line) {
  return json_of(kGoodPlacement + line, "prediction.json").at("tpot_s").get<double>();
}

// What --set changes is what a file with that member says.
TEST(PlacementFiles, SettingsAreMembers) {
  const std::string file =
      file_with("mine.json", R"({"name": "mine", "experts": {"device": 0.25, "hits": 0.75, "missing": "fetched"}})");
  const double by_file = tpot("--placement " + file);
  EXPECT_DOUBLE_EQ(tpot("--placement on-demand --set placement.experts.device=0.25 --set placement.experts.hits=0.75"),
                   by_file);
  EXPECT_LT(by_file, tpot("--placement on-demand"));
  file_with("own-engine.json", R"({"name": "own", "steps": {"host_time": "1 s"}})");
  const std::string slow = file_with("slow.json", R"({"name": "slow", "engine": "own-engine.json"})");
  EXPECT_GT(tpot("--placement " + slow), 1.0);
  const std::string slots =
      file_with("slots.json", R"({"name": "slots", "experts": {"missing": "fetched", "skipped": 0.25, "buffered": 2},
                        "activations": {"tokens": 512}})");
  EXPECT_DOUBLE_EQ(tpot("--placement on-demand --set placement.experts.skipped=0.25 --set placement.experts.buffered=2 "
                        "--set placement.activations.tokens=512"),
                   tpot("--placement " + slots));
}

// What an engine leaves of the device's memory, and what nobody can leave.
TEST(PlacementFiles, EnginesReserveMemory) {
  const auto memory = [](const std::string& line) {
    return json_of(kGoodPlacement + line, "prediction.json").at("memory");
  };
  const std::string engine = file_with("lean.json", R"({"name": "lean", "steps": {}, "memory_reserve": 0.02})");
  const Json usual = memory("--placement on-demand --engine none");
  const Json lean = memory("--placement on-demand --engine " + engine);
  EXPECT_NEAR(lean.at("reserve").get<double>(), 0.02 * lean.at("capacity").get<double>(), 1);
  EXPECT_GT(usual.at("reserve").get<double>(), lean.at("reserve").get<double>());
  EXPECT_EQ(usual.at("weights"), lean.at("weights"));
  expect_mistake(
      kGoodPlacement + ("--engine " + file_with("all.json", R"({"name": "all", "steps": {}, "memory_reserve": 1})")),
      {"memory_reserve", "below 1", "all.json"});
}

TEST(PlacementFiles, MistakesAreOneLine) {
  const std::pair<const char*, std::vector<const char*>> mistakes[] = {
      {R"({"name": "x", "experts": {"device": 1.2}})", {"experts.device", "from 0 to 1", "1.2"}},
      {R"({"name": "x", "experts": {"hits": 0.5}})", {"experts.hits", "device"}},
      {R"({"name": "x", "experts": {"device": 1, "hits": 0.5}})", {"experts.hits", "all experts"}},
      {R"({"name": "x", "experts": {"missing": "fetchd"}})", {"experts.missing", "fetchd", "did you mean 'fetched'"}},
      {R"({"name": "x", "experts": {"missing": "fetched", "prefetch": {"accuracy": 1.2}}})",
       {"experts.prefetch.accuracy", "1.2"}},
      {R"({"name": "x", "experts": {"missing": "streamed", "prefetch": {"accuracy": 0.5}}})", {"prefetch", "streamed"}},
      {R"({"name": "x", "expert": {}})", {"expert", "did you mean 'experts'"}},
      {R"({"name": "x", "batches": 0})", {"batches", "from 1 to 255"}},
      {R"({"name": "x", "batches": 256})", {"batches", "256"}},
      {R"({"name": "x", "experts": {"device": 0.5, "evicted": "copied", "missing": "host"}})", {"evicted", "fetched"}},
      {R"({"name": "x", "experts": {"device": 0.5, "copied_bytes": 0.5, "missing": "host"}})",
       {"copied_bytes", "host"}},
      {R"({"name": "x", "experts": {"device": 0.5, "hits": 0.5, "cache": {}}})", {"experts.cache", "give one of them"}},
      {R"({"name": "x", "experts": {"cache": {"policy": "lru"}}})", {"experts.cache", "no slots"}},
      {R"({"name": "x", "experts": {"device": 0.5, "cache": {"polcy": "lru"}}})", {"polcy", "policy"}},
      {R"({"name": "x", "experts": {"device": 0.5, "cache": {"srp": 1.5}}})", {"srp", "from 0 to 1"}},
      {R"({"name": "x", "experts": {"missing": "fetched", "prefetch": {"accuracy": 0.5, "guesses": "kept"}}})",
       {"guesses", "cache"}},
      {R"({"name": "x", "activations": {"device": 2}})", {"activations.device", "from 0 to 1"}},
      {R"({"name": "x", "activations": {"tokens": 0}})", {"activations.tokens", "at least 1"}},
      {R"({"name": "x", "experts": {"skipped": -0.1}})", {"experts.skipped", "from 0 to 1"}},
      {R"({"name": "x", "experts": {"buffered": 0}})", {"experts.buffered", "from 1"}},
      {R"({"name": "x", "experts": {"missing": "host", "buffered": 2}})", {"experts.buffered", "not copied"}},
      {R"({"name": "x", "experts": {"buffered": 2}, "batches": 4})", {"experts.buffered", "batches"}},
      {R"({"name": "x", "device_layers": 1.5})", {"device_layers", "integer"}},
      {R"({"name": "x", "copies": "pined"})", {"copies", "did you mean 'pinned'"}},
      {R"({"name": "x", "copies": "pagable"})", {"copies", "did you mean 'pageable'"}},
      {R"({"name": "x", "overlap": "copy"})", {"overlap", "all, copies, none"}},
      {R"({"name": "x", "storage": {"weights": 0.5}})", {"storage", "xeon-8380-a40"}},
      {R"({"name": "x", "dense": {"unit": "host"}, "storage": {"weights": 0.5}})", {"storage", "dense.unit"}},
      {R"({"name": "x", "long_prompts": {"missing": "streamed"}})", {"long_prompts", "above"}},
      {R"({"name": "x", "long_prompts": {"above": 64, "missing": "streamd"}})", {"did you mean 'streamed'"}},
      {R"({"name": "x", "dense": {"unit": "host"}, "long_prompts": {"above": 64, "missing": "host"}})",
       {"long_prompts", "dense.unit"}},
      {R"({"name": "x", "engine": "ktransfomers"})",
       {"--placement: 'x': engine", "ktransfomers", "did you mean 'ktransformers'"}},
      {R"({})", {"name"}},
  };
  for (const auto& [content, mentions] : mistakes) {
    expect_mistake(kGoodPlacement + ("--placement " + file_with("wrong.json", content)), mentions);
  }
  expect_mistake(kGoodPlacement + std::string("--engine transfomers"), {"transfomers", "did you mean 'transformers'"});
  expect_mistake(kGoodPlacement + std::string("--placement fidler"), {"fidler", "did you mean 'fiddler'"});
  expect_mistake(kGoodPlacement + std::string("--placement fiddler --set placement.experts.devise=0.5"),
                 {"devise", "device"});
  expect_mistake(kGoodPlacement + std::string("--placement fiddler --set placement.experts.device=2"),
                 {"experts.device", "2"});
  expect_mistake(kGoodPlacement + std::string("--set placement.experts.device=0.5"), {"resident", "no settings"});
  expect_mistake("predict --model Mixtral-8x7B-v0.1 --machine h200 --placement fiddler", {"host", "h200"});
}

}  // namespace
}  // namespace moesaic
