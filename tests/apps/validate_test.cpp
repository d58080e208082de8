// moesaic validate operators, from measurements in a folder to its reports; and what a user types wrongly.
#include <cmath>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "apps/select.hpp"
#include "calibrate/read_measurements.hpp"
#include "tests/apps/run.hpp"
#include "tests/schema/violation.hpp"

namespace moesaic {
namespace {

namespace fs = std::filesystem;

/// GEMMs of a bf16 kernel that reaches 70% of 900 TFLOP/s after 4 us, on two devices.
Measurements made_up_products() {
  Measurements measurements;
  measurements.files = {"made up"};
  for (const char* device : {"h100-sxm", "h200"}) {
    const std::uint32_t key = measurements.key_index({Family::gemm, device, "vllm-0.24.0", "bf16", "", ""});
    for (const double n : {1024, 1536, 2048, 3072, 4096, 6144, 8192, 12288}) {
      for (double m = 16; m <= 8192; m *= 2) {
        Measurement row;
        row.key = key;
        row.shape = {n, 4096, m};
        row.latency = {4e-6 + 2 * m * n * 4096 / 630e12};
        measurements.rows.push_back(row);
      }
    }
  }
  return measurements;
}

class ValidateOperators : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fresh_folder();
    fs::remove_all(folder_);
    fs::create_directories(folder_ / "data");
    std::ofstream(folder_ / "data" / "gemm.csv") << measurements_csv(made_up_products());
  }

  std::string path(const char* name) const { return (folder_ / name).string(); }
  std::string line(const std::string& more) const { return "validate operators --data " + path("data") + " " + more; }

  fs::path folder_;
};

TEST_F(ValidateOperators, WritesEveryReportInOneRun) {
  const Ran ran = run_line(line("--leave-out --device h100 --json " + path("r.json") + " --csv " + path("r.csv") +
                                " --html " + path("r.html")));
  ASSERT_EQ(ran.code, 0) << ran.err;
  EXPECT_TRUE(ran.out.starts_with("80 rows judged, 0 not\n")) << ran.out;  // 8 widths of 10 sizes
  EXPECT_NE(ran.out.find("h100-sxm, vllm-0.24.0"), std::string::npos) << ran.out;
  const nlohmann::json json = nlohmann::json::parse(std::ifstream(path("r.json")));
  EXPECT_EQ(json["groups"].size(), 1u);
  EXPECT_EQ(json["groups"][0]["mode"], "left_out");
  EXPECT_EQ(json["groups"][0]["rows"], 80);
  EXPECT_GT(fs::file_size(path("r.csv")), 80u * 50);
  EXPECT_GT(fs::file_size(path("r.html")), 100'000u);
}

TEST_F(ValidateOperators, SameBytesTwice) {
  for (const char* format : {"text", "json", "csv", "html"}) {
    const std::string typed = line(std::string("--leave-out --device h200 --format ") + format);
    const Ran ran = run_line(typed);
    EXPECT_EQ(ran.code, 0) << ran.err;
    EXPECT_EQ(ran.out, run_line(typed).out) << format;
    EXPECT_FALSE(ran.out.starts_with("0 rows judged")) << ran.out;
  }
}

TEST_F(ValidateOperators, TransfersToAnotherDevice) {
  const Ran ran = run_line(line("--transfer h100:h200 --format json"));
  ASSERT_EQ(ran.code, 0) << ran.err;
  const nlohmann::json json = nlohmann::json::parse(ran.out);
  ASSERT_EQ(json["groups"].size(), 1u);
  EXPECT_EQ(json["groups"][0]["device"], "h200");
  EXPECT_EQ(json["groups"][0]["mode"], "borrowed");
  EXPECT_EQ(json["worst"][0]["device"], "h200") << "rows are those of all measurements";
}

TEST_F(ValidateOperators, TrainsOnOtherMeasurements) {
  const Ran ran = run_line(line("--device h100-sxm --format json --train " + path("data")));
  ASSERT_EQ(ran.code, 0) << ran.err;
  EXPECT_EQ(nlohmann::json::parse(ran.out)["kinds"][0]["mode"], "trained");
}

TEST_F(ValidateOperators, Mistakes) {
  expect_mistake("validate", {"subcommand"});
  expect_mistake("validate operatrs", {"operatrs", "operators"});
  expect_mistake("validate operators --dta x", {"--dta", "--data"});
  expect_mistake("validate operators --data " + path("none"), {"none", "no such"});
  expect_mistake(line("--kind gem"), {"gem", "'gemm'"});
  expect_mistake(line("--kind moe"), {"no measurements"});
  expect_mistake(line("--device h100-smx"), {"--device", "'h100-sxm'"});
  expect_mistake(line("--stack vlm"), {"--stack", "vllm-0.24.0"});
  expect_mistake(line("--transfer h100-sxm"), {"--transfer", "FROM:TO"});
  expect_mistake(line("--transfer h100:b200"), {"--transfer", "b200"});
  expect_mistake(line("--transfer h:h200"), {"ambiguous", "h100-sxm, h200"});
  expect_mistake(line("--transfer h100:h100-sxm"), {"itself"});
  expect_mistake(line("--leave-out --train x"), {"--train", "--leave-out"});
  expect_mistake(line("--profile no-such-profile"), {"no-such-profile"});
  expect_mistake(line("--format yaml"), {"yaml"});
  expect_mistake(line("--json " + path("none/x.json")), {"--json", "none"});
  expect_mistake(line("--html " + path("data")), {"--html", "directory"});
  expect_mistake(line("-o " + path("data")), {"-o", "directory"});
}

TEST_F(ValidateOperators, StepsHoldLayersOfATable) {
  const fs::path table = folder_ / "measured" / "operator" / "layers_llmservingsim" / "dense_layer_ops.csv";
  fs::create_directories(table.parent_path());
  std::ofstream(table) << "gpu,model,tp,layer,tokens,time_us\n"
                          "rtx4090,Llama-3.1-8B,1,o_proj,1,38\n"
                          "rtx4090,Llama-3.1-8B,1,layernorm,1,2\n"
                          "rtx4090,no-such-model,1,o_proj,1,38\n";
  const Ran ran = run_line("validate steps --format json --stack vllm --data " + path("measured"));
  ASSERT_EQ(ran.code, 0) << ran.err;
  EXPECT_EQ(violation("step_validation.json", ran.out), "");
  const nlohmann::json json = nlohmann::json::parse(ran.out);
  EXPECT_EQ(json["layers"]["scored_half"]["rows"], 1);
  EXPECT_NEAR(json["layers"]["worst"][0]["measured"], 42e-6, 1e-12);
  EXPECT_EQ(json["not_judged"][0]["rows"], 1);
  EXPECT_EQ(json["terms_used"].size(), 0u);
}

TEST(Patterns, AreParts) {
  EXPECT_TRUE(matches("h100-sxm", "H100"));
  EXPECT_TRUE(matches("h100-sxm", ""));
  EXPECT_TRUE(matches("vllm-0.24.0", "vllm-*"));
  EXPECT_TRUE(matches("rtx-pro-6000", "*pro*000"));
  EXPECT_TRUE(matches("abab", "*ab"));
  EXPECT_FALSE(matches("h100-sxm", "sxm*"));
  EXPECT_FALSE(matches("h100-sxm", "h200"));
  EXPECT_FALSE(matches("abc", "a*b"));
}

}  // namespace
}  // namespace moesaic
