// JSON: the contract of configs/schema.
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>

#include "fixture.hpp"
#include "tests/schema/violation.hpp"

namespace moesaic {
namespace {

using Ordered = nlohmann::ordered_json;
using Plain = nlohmann::json;

Plain read_schema(const std::string& file) { return Plain::parse(std::ifstream(MOESAIC_SCHEMAS "/" + file)); }

Ordered parse(const Prediction& prediction) { return Ordered::parse(prediction_json(prediction)); }

std::vector<std::string> keys(const Ordered& json) {
  std::vector<std::string> result;
  for (const auto& [key, value] : json.items()) {
    result.push_back(key);
  }
  return result;
}

using Keys = std::vector<std::string>;

TEST(PredictionJson, FitsItsSchema) {
  Prediction without_host = fixture::mixtral();
  without_host.memory.host = {};
  for (const Prediction& prediction :
       {fixture::mixtral(), fixture::in_turns(), fixture::too_large(), without_host, Prediction{}}) {
    EXPECT_EQ(violation("prediction.json", prediction_json(prediction)), "");
  }
  EXPECT_EQ(violation("comparison.json", comparison_json({fixture::mixtral(), fixture::too_large()}, {"a", "b"})), "");
  const PageSection section = fixture::section();
  EXPECT_EQ(violation("operators.json",
                      operators_json({section.decode_operators, section.prediction.decode.seconds, "a profile"})),
            "");
}

TEST(PredictionJson, SchemaRefusesWhatIsNotInIt) {
  const Ordered good = parse(fixture::mixtral());
  for (const char* path : {"/unknown", "/memory/unknown", "/memory/host/unknown", "/load/unknown", "/limit/unknown",
                           "/prefill/limit/unknown", "/decode/unknown", "/waterfall/0/unknown"}) {
    Ordered bad = good;
    bad[Ordered::json_pointer(path)] = 1;
    EXPECT_NE(violation("prediction.json", bad.dump()), "") << path;
  }
  for (const std::string& key : keys(good)) {
    Ordered bad = good;
    bad.erase(key);
    EXPECT_NE(violation("prediction.json", bad.dump()), "") << key;
  }
  Ordered unnamed = Ordered::parse(comparison_json({fixture::mixtral()}, {"a"}));
  unnamed["predictions"][0].erase("name");
  EXPECT_NE(violation("comparison.json", unnamed.dump()), "");
}

TEST(PredictionJson, SchemaDescribesEveryKey) {
  const auto check = [](const auto& self, const Plain& node, const std::string& path) -> void {
    for (const auto& [key, value] : node.items()) {
      const std::string here = path + '/' + key;
      if (key == "properties") {
        for (const auto& [name, property] : value.items()) {
          EXPECT_TRUE(property.contains("description") || property.contains("$ref")) << here << '/' << name;
        }
        EXPECT_EQ(node.value("additionalProperties", Plain(true)), Plain(false)) << path;
      }
      if (value.is_structured()) {
        self(self, value, here);
      }
    }
  };
  for (const char* file : {"prediction.json", "comparison.json", "operators.json"}) {
    check(check, read_schema(file), file);
  }
}

TEST(PredictionJson, HasTheKeysOfTheContractInOrder) {
  const Ordered json = parse(fixture::mixtral());
  EXPECT_EQ(keys(json), (Keys{"version",
                              "model",
                              "machine",
                              "mapping",
                              "placement",
                              "precision",
                              "cost_model",
                              "devices",
                              "load",
                              "fits",
                              "running_batch",
                              "memory",
                              "advice",
                              "prefill",
                              "decode",
                              "ttft_s",
                              "tpot_s",
                              "end_to_end_s",
                              "intervals",
                              "throughput",
                              "limit",
                              "waterfall",
                              "elasticity",
                              "energy_j_per_token",
                              "usd_per_million_tokens"}));
  EXPECT_EQ(keys(json["memory"]), (Keys{"weights", "kv", "state", "kv_per_token", "activations", "buffers", "reserve",
                                        "total", "capacity", "host"}));
  EXPECT_EQ(keys(json["memory"]["host"]),
            (Keys{"weights", "kv", "state", "activations", "buffers", "reserve", "total", "capacity"}));
  EXPECT_EQ(keys(json["prefill"]), (Keys{"seconds", "limit_seconds", "limit", "waterfall", "resources", "steps"}));
  EXPECT_EQ(keys(json["decode"]), (Keys{"seconds_per_step", "limit_seconds_per_step", "limit", "resources"}));
  EXPECT_EQ(keys(json["limit"]), (Keys{"resource", "seconds_per_step", "resource_seconds", "critical_path_seconds"}));
  EXPECT_EQ(keys(json["throughput"]),
            (Keys{"output_tokens_per_s", "total_tokens_per_s", "per_device", "decode_tokens_per_s"}));
}

TEST(PredictionJson, KeepsTheNumbers) {
  const Prediction prediction = fixture::mixtral();
  const Ordered json = parse(prediction);
  EXPECT_EQ(json["memory"]["weights"], 11675000000);  // 46.7e9 x 2 / 8
  EXPECT_EQ(json["memory"]["kv_per_token"], 131072);  // 32 layers x 8 heads x 128 x 2 x 2 bytes
  EXPECT_TRUE(json["memory"]["kv"].is_number_integer());
  EXPECT_DOUBLE_EQ(json["tpot_s"].get<double>(), prediction.tpot.value);
  EXPECT_EQ(json["elasticity"]["device.memory.bandwidth"], 0.63);
  EXPECT_EQ(json["decode"]["resources"]["device.memory.bandwidth"], 0.58);
  double gap = 0;
  for (const Ordered& bar : json["waterfall"]) {
    gap += bar["seconds"].get<double>();
  }
  const Ordered& decode = json["decode"];
  EXPECT_NEAR(gap, decode["seconds_per_step"].get<double>() - decode["limit_seconds_per_step"].get<double>(), 1e-12);
}

TEST(PredictionJson, BothDirectionsOfALinkShareAPath) {
  Prediction prediction = fixture::mixtral();
  prediction.decode.resources = {{"device.host_link.bandwidth", 0.7}, {"device.host_link.bandwidth", 0.2}};
  EXPECT_EQ(parse(prediction)["decode"]["resources"].dump(), R"({"device.host_link.bandwidth":0.7})");
}

TEST(PredictionJson, TimesAreNullWhenNothingRuns) {
  const Ordered json = parse(fixture::too_large());
  for (const char* path : {"/ttft_s", "/tpot_s", "/end_to_end_s", "/prefill/seconds", "/decode/seconds_per_step",
                           "/limit/resource", "/throughput/per_device", "/usd_per_million_tokens"}) {
    EXPECT_TRUE(json[Ordered::json_pointer(path)].is_null()) << path;
  }
  EXPECT_EQ(json["running_batch"], 0);
  EXPECT_EQ(json["waterfall"], Ordered::array());
  EXPECT_EQ(json["advice"]["smaller_type"], "weights=int4");
}

TEST(PredictionJson, HasNoNanInfinityOrBrokenText) {
  Prediction prediction = fixture::mixtral();
  prediction.tpot = {std::numeric_limits<double>::quiet_NaN()};
  prediction.output_tokens = {std::numeric_limits<double>::infinity()};
  prediction.advice.largest_batch = std::numeric_limits<double>::infinity();
  prediction.decode.resources[0].utilisation = std::numeric_limits<double>::quiet_NaN();
  prediction.model = "broken \xff name";
  const Ordered json = parse(prediction);
  EXPECT_TRUE(json["tpot_s"].is_null());
  EXPECT_TRUE(json["throughput"]["output_tokens_per_s"].is_null());
  EXPECT_TRUE(json["advice"]["largest_batch"].is_null());
  EXPECT_EQ(json["model"], "broken \uFFFD name");
  EXPECT_EQ(violation("prediction.json", prediction_json(prediction)), "");
}

TEST(OperatorsJson, SharesAreOfTheStep) {
  const PageSection section = fixture::section();
  const Ordered json =
      Ordered::parse(operators_json({section.decode_operators, section.prediction.decode.seconds, "a profile"}));
  double share = 0;
  for (const Ordered& row : json["operators"]) {
    share += row["share_of_step"].get<double>();
  }
  // All but the imbalance of routing, 4% of the limit, which is no operator's own time.
  const PhasePrediction& decode = section.prediction.decode;
  EXPECT_NEAR(share, 1 - 0.04 * decode.limit.seconds.value / decode.seconds.value, 1e-9);
}

}  // namespace
}  // namespace moesaic
