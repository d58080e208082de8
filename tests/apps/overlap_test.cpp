// moesaic overlap as a user types it.
#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/apps/json_run.hpp"
#include "tests/schema/violation.hpp"
#include "tests/temporary_file.hpp"

namespace moesaic {
namespace {

using Json = nlohmann::json;

const std::string kLayer =
    "overlap --all-to-all 2ms --all-gather 1ms --reduce-scatter 1ms --experts 4ms --attention 1ms";

// One chunk: 1 + 2 + 1 + 4 + 1 + 2 ms. Two on three queues: 1 + 1 + 0.5 + 2 x 2 + 0.5 + 1 ms.
TEST(OverlapCommand, OneLayer) {
  const Json json = json_of(kLayer + " --chunks 2", "overlap.json");
  const Json& policies = json["policies"];
  EXPECT_NEAR(policies["sequential"]["forward"]["seconds"].get<double>(), 11e-3, 1e-12);
  EXPECT_NEAR(policies["fsmoe"]["forward"]["seconds"].get<double>(), 8e-3, 1e-12);
  EXPECT_NEAR(json["formula"]["forward"]["seconds"].get<double>(), 7e-3, 1e-12);
  EXPECT_EQ(json["formula"]["forward"]["case"], 2);
  EXPECT_DOUBLE_EQ(policies["tutel"]["speedup"].get<double>(), 1);
}

TEST(OverlapCommand, StartsLimitTheChunks) {
  const auto chunks = [](const std::string& time) {
    return json_of("overlap --policy fsmoe --all-to-all " + time + " --experts 4ms",
                   "overlap.json")["policies"]["fsmoe"]["forward"]["chunks"]
        .get<int>();
  };
  EXPECT_EQ(chunks("2ms"), 16);
  EXPECT_LT(chunks("0.5ms+2ms"), 8);
}

/// `all`: the fit of every operation instead.
std::string sweep_file(const std::string& batch, const std::string& all = "") {
  const std::string file = temporary_file("sweep.json");
  const std::string fit = all.empty() ? R"({"start": "0.1 ms", "slope": "2e-7 ms"})" : all;
  const std::string product = all.empty() ? R"({"start": "0 s", "slope": "2e-11 ms"})" : all;
  std::ofstream(file) << R"({"name": "mine", "top_k": 2, "fits": {"experts": )" << product << R"(, "attention": )"
                      << product << R"(, "all_to_all": )" << fit << R"(, "all_gather": )" << fit
                      << R"(, "reduce_scatter": )" << fit << R"(, "all_reduce": )" << fit
                      << R"(}, "layers": {"batch": )" << batch
                      << R"(, "heads": [8], "length": [512], "hidden": [1024, 2048], "expansion": [4],
                          "capacity": [0, 1.2], "matrices": [2, 3]}})";
  return file;
}

TEST(OverlapCommand, Sweeps) {
  std::ifstream file(sweep_file("[1, 2]"));
  EXPECT_EQ(violation("layers.json", std::string(std::istreambuf_iterator<char>(file), {})), "");
  const Json json = json_of("overlap --sweep " + sweep_file("[1, 2]"), "overlap_sweep.json");
  EXPECT_EQ(json["layers"], 16);
  EXPECT_GT(json["policies"]["fsmoe"]["mean_speedup"].get<double>(), 1);
  EXPECT_EQ(run_line("overlap --sweep " + sweep_file("[1, 2]")).code, 0);
}

TEST(OverlapCommand, Mistakes) {
  expect_mistake("overlap", {"--all-to-all", "--sweep"});
  expect_mistake(kLayer + " --policy fsmo", {"did you mean 'fsmoe'"});
  expect_mistake(kLayer + " --chunks 0", {"--chunks", "'0'", "best"});
  expect_mistake(kLayer + " --most-chunks 5000", {"--most-chunks", "5000"});
  expect_mistake(kLayer + " --gradients 1ms+2", {"--gradients", "unit"});
  expect_mistake(kLayer + " --backward -1", {"--backward", "-1"});
  expect_mistake("overlap --sweep " + sweep_file("[0]"), {"layers.batch.0", "found 0"});
  expect_mistake("overlap --sweep " + sweep_file("[]"), {"layers.batch", "empty"});
  expect_mistake(kLayer + " --baseline fsmo", {"--baseline", "did you mean 'fsmoe'"});
  expect_mistake("overlap --policy fsmoe --sweep " + sweep_file("[1]"), {"--policy"});
  expect_mistake("overlap --experts 1ms --sweep " + sweep_file("[1]"), {"--experts"});
  expect_mistake("overlap --backward 3 --sweep " + sweep_file("[1]"), {"--backward"});
  expect_mistake("overlap --sweep " + sweep_file("[1]", R"({"start": "0 s", "slope": "0 s"})"), {"fits", "time"});
  expect_mistake("overlap --chunks 2 --sweep " + sweep_file("[1]"), {"--chunks"});
}

}  // namespace
}  // namespace moesaic
