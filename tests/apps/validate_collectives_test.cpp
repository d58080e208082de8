// moesaic validate collectives, from measurements in a folder to its reports; and what a user types wrongly.
#include <cmath>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "calibrate/read_measurements.hpp"
#include "tests/apps/run.hpp"
#include "tests/schema/violation.hpp"

namespace moesaic {
namespace {

namespace fs = std::filesystem;

/// All-reduces of 8 us a ring step and 80% of a link of 300 GB/s or, over two nodes, of a network of 25 GB/s.
void add_reduces(Measurements& measurements, double ranks, double per_node) {
  const std::uint32_t key =
      measurements.key_index({Family::collective, "a100-80gb-sxm", "nccl-2.27.3", "fp16", "", "all_reduce"});
  for (double bytes = 1024; bytes <= 1 << 28; bytes *= 4) {
    Measurement row;
    row.key = key;
    row.shape = {bytes, ranks, per_node};
    const double nodes = ranks / per_node;
    const double inside = 2 * bytes * (per_node - 1) / per_node / 240e9;
    const double between = nodes > 1 ? 2 * bytes * (nodes - 1) / nodes / per_node / 20e9 : 0;
    row.latency = {8e-6 + 1e-6 * (ranks - 1) + std::max(inside, between)};
    measurements.rows.push_back(row);
  }
}

Measurements made_up_reduces() {
  Measurements measurements;
  measurements.files = {"made up"};
  for (const double ranks : {2, 4, 8}) {
    add_reduces(measurements, ranks, ranks);
  }
  add_reduces(measurements, 16, 8);
  const std::uint32_t gemm = measurements.key_index({Family::gemm, "h100-sxm", "vllm-0.24.0", "bf16", "", ""});
  Measurement other;
  other.key = gemm;
  other.shape = {1024, 1024, 16};
  other.latency = {5e-6};
  measurements.rows.push_back(other);
  return measurements;
}

class ValidateCollectives : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fresh_folder();
    fs::remove_all(folder_);
    fs::create_directories(folder_ / "data" / "operator" / "comm");
    std::ofstream(folder_ / "data" / "operator" / "comm" / "all.csv") << measurements_csv(made_up_reduces());
  }

  std::string path(const std::string& name) const { return (folder_ / name).string(); }
  std::string line(const std::string& more) const {
    return "validate collectives --data " + path("data/operator") + " " + more;
  }

  fs::path folder_;
};

TEST_F(ValidateCollectives, WritesEveryReportInOneRun) {
  const Ran ran = run_line(
      line("--leave-out shape --json " + path("r.json") + " --csv " + path("r.csv") + " --html " + path("r.html")));
  ASSERT_EQ(ran.code, 0) << ran.err;
  // 10 sizes of 2, 4, 8 and 16 ranks; the product is no collective.
  EXPECT_TRUE(ran.out.starts_with("40 collectives and exchanges judged, 0 not\n")) << ran.out;
  std::ifstream file(path("r.json"));
  const std::string text((std::istreambuf_iterator<char>(file)), {});
  EXPECT_EQ(violation("collective_validation.json", text), "");
  const nlohmann::json json = nlohmann::json::parse(text);
  EXPECT_EQ(json["held_out"], "shape");
  EXPECT_EQ(json["targets"]["inside"]["rows"], 30);
  EXPECT_EQ(json["targets"]["across"]["rows"], 10);
  EXPECT_LT(json["targets"]["inside"]["median_abs_error"], 0.05) << "a fit of what the model can say exactly";
  EXPECT_GT(fs::file_size(path("r.csv")), 40u * 50);
  EXPECT_GT(fs::file_size(path("r.html")), 100'000u);
}

TEST_F(ValidateCollectives, HoldsOutWhatWasAsked) {
  for (const char* what : {"size", "ranks"}) {
    const Ran ran = run_line(line(std::string("--format json --leave-out ") + what));
    ASSERT_EQ(ran.code, 0) << ran.err;
    const nlohmann::json json = nlohmann::json::parse(ran.out);
    EXPECT_EQ(json["held_out"], what);
    EXPECT_EQ(json["judged_rows"], 40);
  }
  // Alone with its number of ranks, nothing is left to fit on.
  Measurements alone;
  alone.files = {"made up"};
  add_reduces(alone, 8, 8);
  fs::create_directories(folder_ / "alone");
  std::ofstream(folder_ / "alone" / "x.csv") << measurements_csv(alone);
  const Ran ran = run_line("validate collectives --leave-out ranks --data " + path("alone"));
  ASSERT_EQ(ran.code, 0) << ran.err;
  EXPECT_TRUE(ran.out.starts_with("0 collectives and exchanges judged, 10 not\n")) << ran.out;
  EXPECT_NE(ran.out.find("one number of ranks only"), std::string::npos) << ran.out;
}

TEST_F(ValidateCollectives, FindsTheFolderOfOperators) {
  const Ran whole = run_line("validate collectives --leave-out shape --data " + path("data"));
  ASSERT_EQ(whole.code, 0) << whole.err;
  EXPECT_EQ(whole.out, run_line(line("--leave-out shape")).out);
  ::setenv("MOESAIC_DATA", path("").c_str(), 1);
  fs::rename(folder_ / "data", folder_ / "measured");
  const Ran standing = run_line("validate collectives --leave-out shape");
  fs::rename(folder_ / "measured" / "operator" / "comm", folder_ / "measured" / "operator" / "other");
  const Ran without = run_line("validate collectives");
  ::unsetenv("MOESAIC_DATA");
  EXPECT_EQ(standing.code, 0) << standing.err;
  EXPECT_NE(standing.out.find("operator/comm\n"), std::string::npos) << standing.out;
  EXPECT_EQ(without.code, 2);
  EXPECT_NE(without.err.find("--data"), std::string::npos) << without.err;
}

TEST_F(ValidateCollectives, JudgesByTrainingAndProfiles) {
  const Ran trained = run_line(line("--format json --train " + path("data/operator")));
  ASSERT_EQ(trained.code, 0) << trained.err;
  const nlohmann::json json = nlohmann::json::parse(trained.out);
  EXPECT_EQ(json["rows"].back()["by"], "mode");
  EXPECT_EQ(json["rows"].back()["name"], "trained");
  // Shapes that the shipped profile of NCCL was fitted on prove nothing, and the reports say so.
  const Ran shipped = run_line(line("--format json --profile a100-80gb-sxm/nccl-2.27.3"));
  ASSERT_EQ(shipped.code, 0) << shipped.err;
  EXPECT_EQ(nlohmann::json::parse(shipped.out)["rows"].back()["name"], "profile");
  EXPECT_GT(nlohmann::json::parse(shipped.out)["seen_rows"], 0);
}

TEST_F(ValidateCollectives, SameBytesTwice) {
  for (const char* format : {"text", "json", "csv", "html"}) {
    const std::string typed = line(std::string("--leave-out ranks --format ") + format);
    const Ran ran = run_line(typed);
    EXPECT_EQ(ran.code, 0) << ran.err;
    EXPECT_EQ(ran.out, run_line(typed).out) << format;
  }
}

TEST_F(ValidateCollectives, Mistakes) {
  expect_mistake("validate collectivs", {"collectivs", "collectives"});
  expect_mistake("validate collectives --data " + path("none"), {"none", "no such"});
  fs::create_directories(folder_ / "products");
  std::ofstream(folder_ / "products" / "x.csv") << "gpu,engine,engine_version,kernel,dtype,n,k,m,latency_us\n"
                                                   "h100_sxm,vllm,1,,bfloat16,64,64,16,5\n";
  expect_mistake("validate collectives --data " + path("products"), {"products", "docs/measurements.md"});
  expect_mistake(line("--device h100"), {"--device", "h100"});
  expect_mistake(line("--stack ncl-9"), {"--stack", "nccl-2.27.3"});
  expect_mistake(line("--leave-out nodes"), {"--leave-out", "ranks"});
  expect_mistake(line("--leave-out size --train x"), {"--train", "--leave-out"});
  expect_mistake(line("--profile no-such-profile"), {"no-such-profile"});
  expect_mistake(line("--format yaml"), {"yaml"});
  expect_mistake(line("--json " + path("none/x.json")), {"--json", "none"});
  expect_mistake(line("-o " + path("data")), {"-o", "directory"});
}

}  // namespace
}  // namespace moesaic
