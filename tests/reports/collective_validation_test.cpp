// Reports of judged collectives: two places that are never mixed, in text, JSON (configs/schema), CSV and page.
#include "reports/collective_validation.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "browser.hpp"
#include "tests/schema/violation.hpp"

namespace moesaic {
namespace {

using Json = nlohmann::json;

struct JudgedRun {
  Measurements measurements;
  Judgement judgement;
  CollectiveValidation run(HeldOut held_out = HeldOut::whole_shape) const {
    return {{measurements, judgement, {"data"}, 0}, held_out};
  }

  /// 100 us measured.
  void add(const MeasurementKey& key, const ShapeValues& shape, double error, double closed_form = 40e-6) {
    Measurement row;
    row.key = measurements.key_index(key);
    row.line = static_cast<std::uint32_t>(measurements.rows.size() + 2);
    row.shape = shape;
    row.latency = {100e-6};
    JudgedRow judged;
    judged.row = static_cast<std::uint32_t>(measurements.rows.size());
    judged.measured = 100e-6;
    judged.predicted = 100e-6 * (1 + error);
    judged.half50 = std::log(1.05);
    judged.half90 = std::log(1.2);
    judged.roofline = closed_form;
    judged.constant = 2 * closed_form;
    measurements.rows.push_back(row);
    judgement.rows.push_back(judged);
  }
};

const MeasurementKey kReduce{Family::collective, "h100-sxm", "nccl-2.29.2", "fp16", "", "all_reduce"};
const MeasurementKey kGraph{Family::collective, "h100-sxm", "vllm-0.24.0", "bf16", "", "all_reduce/custom, graph"};
const MeasurementKey kSend{Family::collective, "a100-80gb-sxm", "vidur", "fp16", "", "send_recv"};
const MeasurementKey kDispatch{Family::expert_exchange, "h100-sxm", "deepep", "fp8", "", "low_latency_dispatch"};

/// Inside errors of 1%, 2% and 30%; across nodes 40% (without a closed form) and 4%.
JudgedRun few() {
  JudgedRun run;
  run.measurements.files = {"data/comm/all.csv"};
  run.add(kReduce, {1000, 8, 8}, 0.01);
  run.add(kReduce, {99999, 2, 2}, -0.02);
  run.add(kGraph, {4096, 8, 8}, 0.3);
  run.add(kSend, {5e6, 2, 1}, -0.4, 0);
  run.add(kDispatch, {7168, 8, 256, 16, 2, 0, 128}, 0.04);
  run.judgement.not_judged = 3;
  run.judgement.why_not = "no machine";
  run.judgement.reasons = {{"no machine", 3}};
  return run;
}

std::string line_of(const std::string& text, const std::string& part) {
  const std::size_t at = text.find(part);
  return at == text.npos ? "" : text.substr(text.rfind('\n', at) + 1, text.find('\n', at) - text.rfind('\n', at) - 1);
}

TEST(CollectiveNames, SayWhatWasMeasured) {
  EXPECT_EQ(collective_of(kSend), "send_receive");
  EXPECT_EQ(collective_of(kGraph), "all_reduce");
  EXPECT_EQ(collective_of(kDispatch), "dispatch");
  MeasurementKey key = kDispatch;
  key.kernel = "alltoall_combine/NVLinkOneSided";
  key.stack = "trtllm";
  EXPECT_EQ(collective_of(key), "combine");
  EXPECT_EQ(implementation_of(key), "trtllm NVLinkOneSided");
  EXPECT_EQ(implementation_of(kReduce), "nccl-2.29.2");
  EXPECT_EQ(implementation_of(kGraph), "vllm-0.24.0 custom, graph");
  EXPECT_EQ(implementation_of(kDispatch), "deepep low_latency");
  EXPECT_EQ(ranks_text(kReduce, {1e3, 8, 8}), "8 ranks");
  EXPECT_EQ(ranks_text(kReduce, {1e3, 16, 8}), "16 ranks on 2 nodes");
  EXPECT_EQ(ranks_text(kDispatch, {7168, 8, 256, 64, 8, 0, 1}), "64 ranks on 8 nodes");
}

TEST(CollectiveNames, SizesAreDecades) {
  EXPECT_EQ(size_text(kReduce, {1000, 8, 8}), "1 kB to 10 kB");
  EXPECT_EQ(size_text(kReduce, {999, 8, 8}), "100 B to 1 kB");
  EXPECT_EQ(size_text(kReduce, {1, 8, 8}), "1 B to 10 B");
  EXPECT_EQ(size_text(kReduce, {17179869184, 8, 8}), "10 GB to 100 GB");
  EXPECT_EQ(size_text(kDispatch, {7168, 8, 256, 16, 2, 0, 1}), "1 to 10 tokens");
  EXPECT_EQ(size_text(kDispatch, {7168, 8, 256, 16, 2, 0, 131072}), "100,000 to 1,000,000 tokens");
  // Powers of ten begin their decade, whatever the rounding of their logarithm.
  for (int e = 1; e < 12; ++e) {
    EXPECT_NE(size_text(kReduce, {std::pow(10.0, e), 8, 8}), size_text(kReduce, {std::pow(10.0, e) - 1, 8, 8})) << e;
  }
}

TEST(CollectiveGroups, HoldEveryRowOncePerQuestion) {
  const JudgedRun run = few();
  std::map<std::pair<NodePlace, std::string>, std::size_t> rows;
  for (const CollectiveGroup& group : collective_groups(run.run().validation)) {
    EXPECT_EQ(group.scores.rows, group.rows.size());
    rows[{group.place, group.by}] += group.rows.size();
  }
  EXPECT_EQ(rows.size(), 2u * 7);
  for (const auto& [key, count] : rows) {
    EXPECT_EQ(count, key.first == NodePlace::inside ? 3u : 2u) << key.second;
  }
}

TEST(CollectiveGroups, SizesStandInOrder) {
  JudgedRun run;
  run.measurements.files = {"made up"};
  for (const double size : {1e9, 1e2, 1e10, 1e3}) {
    run.add(kReduce, {size, 8, 8}, 0);
  }
  run.add(kDispatch, {7168, 8, 256, 8, 1, 0, 1}, 0);
  std::vector<std::string> names;
  for (const CollectiveGroup& group : collective_groups(run.run().validation)) {
    if (group.by == "size") {
      names.push_back(group.name);
    }
  }
  EXPECT_EQ(names, (std::vector<std::string>{"100 B to 1 kB", "1 kB to 10 kB", "1 GB to 10 GB", "10 GB to 100 GB",
                                             "1 to 10 tokens"}));
}

TEST(CollectiveValidationJson, FitsItsSchema) {
  const JudgedRun run = few();
  const Json json = Json::parse(collective_validation_json(run.run(HeldOut::ranks)));
  EXPECT_EQ(violation("collective_validation.json", json.dump()), "");
  EXPECT_EQ(json["held_out"], "ranks");
  EXPECT_EQ(json["judged_rows"], 5);
  EXPECT_NEAR(json["targets"]["inside"]["median_abs_error"], 0.02, 1e-12);
  EXPECT_EQ(json["targets"]["inside"]["met"], true);
  EXPECT_NEAR(json["targets"]["across"]["median_abs_error"], 0.22, 1e-12);  // between 4% and 40%
  EXPECT_EQ(json["targets"]["across"]["target_median_abs_error"], 0.10);
  EXPECT_EQ(json["targets"]["across"]["met"], false);
  EXPECT_EQ(json["rows"][0]["by"], "place");
  EXPECT_EQ(json["rows"][0]["name"], "inside");
  EXPECT_NEAR(json["rows"][0]["closed_form"]["median_abs_error"], 0.6, 1e-12);
  EXPECT_NEAR(json["rows"][0]["one_efficiency"]["median_abs_error"], 0.2, 1e-12);
  EXPECT_NEAR(json["rows"][0]["coverage90"], 2.0 / 3, 1e-12);
  for (const Json& group : json["rows"]) {
    if (group["name"] == "send_receive") {
      EXPECT_TRUE(group["closed_form"]["median_abs_error"].is_null());
    }
  }
  ASSERT_EQ(json["worst"].size(), 5u);
  EXPECT_EQ(json["worst"][0]["place"], "inside");
  EXPECT_NEAR(json["worst"][0]["error"], 0.3, 1e-12);
  EXPECT_EQ(json["worst"][3]["place"], "across");
  EXPECT_NEAR(json["worst"][3]["error"], -0.4, 1e-12);
  EXPECT_EQ(json["not_judged"], Json::array({{{"rows", 3}, {"why", "no machine"}}}));
}

TEST(CollectiveValidationJson, WithoutRowsMeetsNoTarget) {
  const JudgedRun run;
  const Json json = Json::parse(collective_validation_json(run.run()));
  EXPECT_EQ(violation("collective_validation.json", json.dump()), "");
  EXPECT_TRUE(json["targets"]["inside"]["met"].is_null());
  EXPECT_EQ(json["rows"].size(), 0u);
}

TEST(CollectiveValidationJson, SchemaRefusesChanges) {
  const JudgedRun run = few();
  const Json good = Json::parse(collective_validation_json(run.run()));
  Json json = good;
  json["targets"].erase("across");
  EXPECT_NE(violation("collective_validation.json", json.dump()), "");
  json = good;
  json["rows"][0]["by"] = "weather";
  EXPECT_NE(violation("collective_validation.json", json.dump()), "");
  json = good;
  json["worst"][0]["more"] = 1;
  EXPECT_NE(violation("collective_validation.json", json.dump()), "");
}

TEST(CollectiveValidationText, JudgesEachPlaceByItsTarget) {
  const JudgedRun run = few();
  const std::string text = collective_validation_text(run.run(HeldOut::size), {});
  EXPECT_TRUE(text.starts_with("5 collectives and exchanges judged, 3 not\n  data\n")) << text;
  EXPECT_NE(text.find("left out with all others of their size"), std::string::npos);
  const std::string inside = line_of(text, "  inside a node "), across = line_of(text, "  across nodes ");
  EXPECT_NE(inside.find("   3    2.0%"), std::string::npos) << text;
  EXPECT_NE(inside.find("5.0%  met"), std::string::npos) << text;
  EXPECT_NE(across.find("   2   22.0%"), std::string::npos) << text;
  EXPECT_NE(across.find("10.0%  missed"), std::string::npos) << text;
  EXPECT_NE(line_of(text, " send_receive ").find(" -"), std::string::npos) << text;
  for (const char* part : {"Groups inside a node", "Groups across nodes", "Worst inside a node", "comm/all.csv:4",
                           "16 ranks on 2 nodes", "100 to 1,000 tokens", "Not judged", "no machine"}) {
    EXPECT_NE(text.find(part), std::string::npos) << part << "\n" << text;
  }
}

TEST(CollectiveValidationCsv, HasOneLineForEachRow) {
  const JudgedRun run = few();
  const std::string csv = collective_validation_csv(run.run());
  EXPECT_EQ(std::count(csv.begin(), csv.end(), '\n'), 1 + 5);
  EXPECT_NE(csv.find("\ninside,all_reduce,\"vllm-0.24.0 custom, graph\",h100-sxm,bf16,8 ranks,1 kB to 10 kB,"),
            std::string::npos)
      << csv;
  // 100 us within a factor of 1.2 of 101; closed form and efficiency.
  EXPECT_NE(csv.find(",2,100,101,84.1667,121.2,40,80,0.0100\n"), std::string::npos) << csv;
  EXPECT_NE(csv.find(",5,100,60,50,72,,,-0.4000\n"), std::string::npos) << csv;
}

TEST(CollectiveValidationPage, ShowsTheTablesAndEscapesText) {
  JudgedRun run = few();
  const std::string evil = "</script><script>boom()</script>\"'&";
  run.measurements.keys[0].stack = evil;
  run.measurements.files[0] = evil;
  run.judgement.reasons = {{evil, 1}};
  const std::string page = collective_validation_page(run.run(), "moesaic validate collectives");
  for (const char* part : {"Inside a node: median error 2.0% of 3 rows, target 5.0% met",
                           "Across nodes: median error 22.0% of 2 rows, target 10.0% missed", "Groups across nodes",
                           "<code>moesaic validate collectives</code>", "send_receive", "num_nodes=2"}) {
    EXPECT_NE(page.find(part), std::string::npos) << part;
  }
  EXPECT_EQ(page.find("<script>boom"), std::string::npos);
}

TEST(CollectiveValidationPage, DrawsItsChartsInABrowser) {
  const auto browser = find_browser();
  if (!browser) {
    GTEST_SKIP() << "no browser here";
  }
  const JudgedRun run = few();
  const std::string dom = load_in_browser(*browser, "collectives", collective_validation_page(run.run(), ""));
  // Errors, then collectives inside, collectives across and exchanges across.
  EXPECT_NE(dom.find("data-charts=\"4\""), std::string::npos) << dom.substr(0, 400);
  EXPECT_EQ(dom.substr(0, 2000).find("data-error"), std::string::npos) << dom.substr(0, 400);
}

}  // namespace
}  // namespace moesaic
