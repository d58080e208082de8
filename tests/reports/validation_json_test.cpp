// JSON of a validation: the contract of configs/schema/validation.json; and the CSV of its rows.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "tests/schema/violation.hpp"
#include "validation_fixture.hpp"

namespace moesaic {
namespace {

using Json = nlohmann::json;

Json parsed(const fixture::Judged& judged) { return Json::parse(validation_json(judged.validation())); }

std::string misfit(const Json& json) { return violation("validation.json", json.dump()); }

TEST(ValidationJson, FitsItsSchema) {
  EXPECT_EQ(misfit(parsed(fixture::few_rows())), "");
  EXPECT_EQ(misfit(parsed(fixture::many_rows(50))), "");
  EXPECT_EQ(misfit(parsed({})), "");
}

// The check would see what does not fit.
TEST(ValidationJson, SchemaRefusesChanges) {
  const Json good = parsed(fixture::few_rows());
  Json json = good;
  json["groups"][0].erase("coverage90");
  EXPECT_NE(misfit(json), "");
  json = good;
  json["groups"][0]["more"] = 1;
  EXPECT_NE(misfit(json), "");
  json = good;
  json["kinds"][0]["mode"] = "guessed";
  EXPECT_NE(misfit(json), "");
  json = good;
  json["version"] = "2";
  EXPECT_NE(misfit(json), "");
}

TEST(ValidationJson, HoldsTheScores) {
  const Json json = parsed(fixture::few_rows());
  EXPECT_EQ(json["version"], "1");
  EXPECT_EQ(json["data"], Json({"data"}));
  EXPECT_EQ(json["rows"], 7);
  EXPECT_EQ(json["not_judged"]["rows"], 3);
  const Json& group = json["groups"][0];
  EXPECT_EQ(group["device"], "h100-sxm");
  EXPECT_EQ(group["stack"], "vllm-0.24.0");
  EXPECT_EQ(group["kind"], "gemm");
  EXPECT_EQ(group["dtype"], "bf16");
  EXPECT_EQ(group["mode"], "left_out");
  EXPECT_EQ(group["median_abs_error"], 0.1);
  EXPECT_EQ(group["roofline"]["p90_abs_error"], 0.5);
  EXPECT_EQ(group["constant_efficiency"]["median_abs_error"], 0.2);
  EXPECT_EQ(group["target"]["median_abs_error"], 0.025);
  EXPECT_EQ(group["target"]["met"], false);
  EXPECT_EQ(json["groups"][1]["target"]["met"], true);
  EXPECT_EQ(json["kinds"].size(), 3u);
  EXPECT_TRUE(json["kinds"][0]["target"].is_null()) << "depends on the data type";
  EXPECT_EQ(json["targets"].size(), 3u);
  const Json& worst = json["worst"][0];
  EXPECT_NEAR(worst["error"], 0.5, 1e-12);
  EXPECT_EQ(worst["file"], "data/gemm/h100.csv");
  EXPECT_EQ(worst["line"], 6);
  EXPECT_EQ(worst["shape"], "n=4096 k=7168 m=16");
}

TEST(ValidationJson, NumbersThatAreNoneAreNull) {
  fixture::Judged judged = fixture::few_rows();
  judged.judgement.groups[0].roofline_median = std::numeric_limits<double>::quiet_NaN();
  judged.measurements.files[0] = "not \xff UTF-8";
  const Json json = parsed(judged);
  EXPECT_TRUE(json["groups"][0]["roofline"]["median_abs_error"].is_null());
  EXPECT_EQ(misfit(json), "");
}

TEST(ValidationJson, WorstAreAtMostTenOfEachKindAndMode) {
  EXPECT_EQ(parsed(fixture::many_rows(50))["worst"].size(), 30u);
}

TEST(ValidationCsv, HasOneLineForEachRow) {
  const std::string csv = validation_csv(fixture::few_rows().validation());
  EXPECT_EQ(std::count(csv.begin(), csv.end(), '\n'), 1 + 7);
  // 3 us within a factor of 1.2; the fixture's first row.
  EXPECT_TRUE(csv.starts_with(
      "operator,device,stack,dtype,kv_dtype,kernel,shape,mode,measured_us,predicted_us,low90_us,high90_us,error\n"
      "gemm,h100-sxm,vllm-0.24.0,bf16,,,n=4096 k=7168 m=16,left_out,4,3,2.5,3.6,-0.2500\n"))
      << csv;
  EXPECT_NE(csv.find(",\"triton, tuned\","), std::string::npos) << csv;
}

}  // namespace
}  // namespace moesaic
