// moesaic collective and moesaic reproduce, and predictions on clusters, as a user types them.
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "base/catalog.hpp"
#include "tests/apps/json_run.hpp"
#include "tests/temporary_file.hpp"

namespace moesaic {
namespace {

using Json = nlohmann::json;

// 64 ranks, 1 MB to each: 56 of them on other nodes at 50 GB/s.
TEST(Collective, ClosedFormAndFlowsAgree) {
  const std::string line = "collective all-to-all --machine h800-cluster --ranks 64 --bytes 64MB";
  const Json closed = json_of(line, "collective.json"), flows = json_of(line + " --fabric flows", "collective.json");
  EXPECT_NEAR(closed["busy_s"].get<double>(), 56e6 / 50e9, 1e-12);
  EXPECT_NEAR(flows["busy_s"].get<double>() / closed["busy_s"].get<double>(), 1, 1e-3);
  EXPECT_EQ(flows["flows"], 64 * 63);
}

TEST(Collective, Mistakes) {
  const std::string machine = " --machine h800-cluster ";
  expect_mistake("collective all-to-al --bytes 1MB" + machine, {"did you mean 'all-to-all'"});
  expect_mistake("collective all-reduce" + machine, {"--bytes", "64 MiB"});
  expect_mistake("collective all-reduce --bytes 1MB --ranks 4096" + machine, {"--ranks", "4096", "2048"});
  expect_mistake("collective all-reduce --bytes 1MB --ranks 12" + machine, {"12 ranks", "8 and 16"});
  expect_mistake("collective all-reduce --bytes 1MB --fabric flow" + machine, {"did you mean 'flows'"});
  expect_mistake("collective all-reduce --bytes 1MB --fabric flows --routes sprey" + machine, {"did you mean 'spray'"});
  expect_mistake("collective all-reduce --bytes 1MB --algorithm rign --ranks 16" + machine, {"did you mean 'ring'"});
  expect_mistake("collective dispatch --ranks 16" + machine, {"--tokens"});
  expect_mistake("collective dispatch --ranks 16 --tokens 1 --hidden 1 --top-k 8 --experts 100" + machine,
                 {"100 experts"});
  const std::string dispatch = "collective dispatch --ranks 16 --tokens 1 --hidden 1 --top-k 8 --experts 128" + machine;
  expect_mistake(dispatch + "--latency 5", {"--latency", "unit is missing"});
  expect_mistake(dispatch + "--row-bytes -5", {"--row-bytes", "-5"});
  expect_mistake("collective send-receive --bytes 1MB --ranks 8 --shift 8" + machine, {"--shift", "7"});
  expect_mistake("collective all-to-all --bytes 1MB --ranks 16 --fabric flows --no-forwarding" + machine, {"no way"});
}

// Two flows into one device of 50 GB/s, the second half a millisecond later: alone 25 MB of the first are through, then
// both share: the first needs 1 ms more for its 25 MB, the second's other 25 MB take 0.5 ms alone.
TEST(Flows, StartOneByOne) {
  const std::string file = temporary_file("flows.json");
  std::ofstream(file) << R"({"flows": [{"source": 8, "destination": 0, "bytes": "50 MB"},
                                       {"source": 16, "destination": 0, "bytes": "50 MB", "start": "0.5 ms"}]})";
  const std::string line = "flows " + file + " --machine h800-cluster";
  const Json ours = json_of(line, "flows.json");
  const double latency = ours["flows"][0]["latency_s"].get<double>();
  EXPECT_NEAR(ours["flows"][0]["end_s"].get<double>(), 1.5e-3 + latency, 1e-8);
  EXPECT_NEAR(ours["flows"][1]["end_s"].get<double>(), 2.0e-3 + latency, 1e-8);
  EXPECT_NE(run_line(line).out.find("2 flows on h800-cluster"), std::string::npos);
  std::ofstream(file) << R"({"flows": [{"source": 8, "destination": 4096, "bytes": "50 MB"}]})";
  expect_mistake(line, {"flows.0.destination", "0 to 2047", "4096"});
  std::ofstream(file) << R"({"flows": [{"source": 8, "destination": 1, "byte": "50 MB"}]})";
  expect_mistake(line, {"bytes"});
  std::ofstream(file) << R"({"flows": []})";
  expect_mistake(line, {"has no flows"});
  expect_mistake("flows " + file, {"--machine, --topology"});
  expect_mistake(line + " --fabric closed-form", {"no closed form"});
  std::filesystem::remove(file);
}

TEST(Cluster, PredictsOverNodes) {
  const std::string line = "predict --model DeepSeek-V3 --map tp=1,dp=64,ep=64 --batch 512 --input 256 --output 8";
  const Json cluster = json_of(line + " --machine h800-cluster", "prediction.json");
  EXPECT_EQ(cluster["devices"], 64);
  EXPECT_TRUE(cluster["elasticity"].contains("network.bandwidth"));
  expect_mistake(line + " --machine hgx-h800", {"needs 64 devices", "has 8"});
  expect_mistake(line + " --machine h800-cluster --exchange lowlatency", {"did you mean 'low-latency'"});
}

class OneStudy : public testing::TestWithParam<std::string> {};
std::vector<std::string> studies() {
  std::vector<std::string> names;
  for (const CatalogEntry& entry : list_catalog("studies")) {
    names.push_back(entry.file.string());
  }
  return names;
}

// Every shipped study runs; closed forms come out to the printed digits unless the study says why not.
TEST_P(OneStudy, Runs) {
  const Json json = json_of("reproduce " + GetParam(), "reproduction.json");
  for (const Json& row : json["rows"]) {
    const bool explained = row.contains("reason") && !row["reason"].get<std::string>().empty();
    EXPECT_TRUE(row["within"].get<bool>() || explained || row["calibrated"].get<bool>()) << row.dump();
  }
  EXPECT_GT(json["rows"].size(), 0u);
}
INSTANTIATE_TEST_SUITE_P(All, OneStudy, testing::ValuesIn(studies()), [](const auto& study) {
  std::string name = std::filesystem::path(study.param).stem().string();
  std::replace_if(
      name.begin(), name.end(), [](char c) { return !std::isalnum(static_cast<unsigned char>(c)); }, '_');
  return name;
});

// A study of the user's own, with a machine of its own, in one file.
TEST(Reproduce, AStudyDefinesItsMachines) {
  const std::string file = temporary_file("own-study.json");
  std::ofstream(file) << R"({"system": "own", "source": "me",
    "define": {"machines": {"pair": {"name": "pair", "kind": "cluster", "nodes": 2, "node": "hgx-h800", "fabric":
      {"kind": "leaf-spine", "leaves": 1, "spines": 1, "endpoint": {"bandwidth": "50 GB/s", "latency": "1 us"},
       "trunk": {"bandwidth": "50 GB/s", "latency": "1 us"}}}}},
    "rows": [{"id": "a", "quantity": "half of 50 GB", "published": "0.50 s", "class": "closed-form",
      "predicted": "it.busy_s", "run": {"collective": {"kind": "all-to-all", "machine": "pair", "bytes": "50 GB"}}}]})";
  const Json json = json_of("reproduce " + file, "reproduction.json");
  EXPECT_TRUE(json["rows"][0]["within"].get<bool>()) << json;
  std::ofstream(file) << R"({"system": "own", "source": "me", "rows": [{"id": "a", "quantity": "q", "published": "1",
    "class": "ratio", "predicted": "it.x", "run": {"predict": {"model": "Mixtral-8x7B", "machine": "dgx-h99"}}}]})";
  expect_mistake("reproduce " + file, {"rows.0.run", "moesaic predict", "dgx-h99"});
  std::filesystem::remove(file);
  expect_mistake("reproduce deepsek", {"deepsek"});
}

}  // namespace
}  // namespace moesaic
