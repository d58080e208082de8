// From nothing to a prediction on this computer; and what is said where something is missing.
#include <fmt/format.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "apps/interrupt.hpp"
#include "tests/apps/run.hpp"

namespace moesaic {
namespace {

namespace fs = std::filesystem;

std::string read_text(const std::string& file) {
  std::ifstream stream(file);
  return {std::istreambuf_iterator<char>(stream), {}};
}

TEST(Calibrate, MeasuresThisComputerForAPrediction) {
  const std::string folder = fresh_folder();
  fs::create_directories(folder);
  const std::string machine = folder + "/this.json", rows = folder + "/this.csv";
  const Ran ran = run({"calibrate", "--device", "cpu", "-o", machine, "--seconds", "0.01", "--measurements", rows});
  ASSERT_EQ(ran.code, 0) << ran.err;
  EXPECT_NE(ran.out.find("GFLOP/s"), std::string::npos) << ran.out;
  EXPECT_NE(ran.err.find("few and small points"), std::string::npos) << ran.err;
  EXPECT_EQ(ran.err.find('\r'), std::string::npos) << "progress is for terminals";
  EXPECT_GT(fs::file_size(rows), 50U);
  const Ran predicted = run({"predict", "--model", "Qwen3-0.6B", "--machine", machine, "--batch", "1", "--input", "32",
                             "--output", "8", "--format", "json"});
  EXPECT_EQ(predicted.code, 0) << predicted.err;
  EXPECT_NE(predicted.out.find("moesaic-cpu as measured on"), std::string::npos) << predicted.out;
  fs::remove_all(folder);
}

/// Products that take 4 us and then run at 600 TFLOP/s or 2.5 TB/s, whichever is slower.
std::string product_rows() {
  std::string csv = "operator,device,stack,dtype,n,k,m,latency_us\n";
  for (const double n : {1024., 2048., 4096., 8192., 14336.}) {
    for (const double k : {1024., 4096., 8192.}) {
      for (double m = 1; m <= 8192; m *= 2) {
        const double seconds = 4e-6 + std::max(2 * m * n * k / 600e12, 2 * (n * k + m * k + m * n) / 2.5e12);
        csv += fmt::format("gemm,h100-sxm,engine-1.0,bf16,{},{},{},{}\n", n, k, m, seconds * 1e6);
      }
    }
  }
  return csv;
}

TEST(Calibrate, FitsAProfileThatPredictionsUse) {
  const std::string folder = fresh_folder();
  fs::create_directories(folder);
  const std::string rows = folder + "/rows.csv", profile = folder + "/profile.json";
  std::ofstream(rows) << product_rows();
  const std::vector<std::string> fit = {"calibrate", "--from", rows,         "--device", "h100-sxm", "--stack",
                                        "engine",    "--date", "2026-01-02", "-o",       profile};
  const Ran ran = run(fit);
  ASSERT_EQ(ran.code, 0) << ran.err;
  EXPECT_NE(ran.out.find("h100-sxm--engine-1.0: 1 kernels"), std::string::npos) << ran.out;
  const std::string first = read_text(profile);
  run(fit);
  EXPECT_EQ(first, read_text(profile)) << "a fit is a function of its inputs";
  const Ran judged = run({"validate", "operators", "--data", rows, "--profile", profile, "--format", "json"});
  ASSERT_EQ(judged.code, 0) << judged.err;
  const Ran explained = run({"explain", "--model", "Llama-3.1-8B", "--machine", "h100-sxm", "--profile", profile,
                             "--batch", "64", "--input", "100", "--output", "10"});
  ASSERT_EQ(explained.code, 0) << explained.err;
  // The output projection of 64 tokens: 4 us and 34.6 MB at 2.5 TB/s, 17.8 us.
  const std::string o = explained.out.substr(explained.out.find("    o  "), 100);
  EXPECT_NE(o.find(" 17."), std::string::npos) << o;
  fs::remove_all(folder);
}

TEST(Calibrate, NamesWhatIsNotThere) {
  const std::string folder = fresh_folder();
  fs::create_directories(folder);
  const std::string rows = folder + "/rows.csv";
  std::ofstream(rows) << product_rows();
  const auto says = [&](const std::string& device, const std::string& stack) {
    const Ran ran =
        run({"calibrate", "--from", rows, "--device", device, "--stack", stack, "-o", folder + "/profile.json"});
    EXPECT_EQ(ran.code, 2);
    EXPECT_FALSE(fs::exists(folder + "/profile.json"));
    return ran.err;
  };
  EXPECT_NE(says("h100", "engine").find("did you mean 'h100-sxm'?"), std::string::npos);
  EXPECT_NE(says("h100-sxm", "engin-2").find("engine-1.0"), std::string::npos);
  EXPECT_NE(run({"calibrate", "--from", rows, "--device", "h100-sxm"}).err.find("--stack"), std::string::npos);
  fs::remove_all(folder);
}

TEST(Calibrate, MistakesAreOneLine) {
  for (const char* line :
       {"calibrate --device cpu", "calibrate --device cpux -o x.json", "calibrate -o x.json",
        "calibrate --device cpu -o x.json --threads 1000000", "calibrate --device cpu -o x.json --seconds 0",
        "calibrate --device cpu -o x.json --second 1"}) {
    const Ran ran = run_line(line);
    EXPECT_EQ(ran.code, 2) << line;
    EXPECT_EQ(ran.out, "") << line;
    EXPECT_EQ(ran.err.find('\n'), ran.err.size() - 1) << ran.err;
    EXPECT_FALSE(fs::exists("x.json"));
  }
  EXPECT_NE(run_line("calibrate --device cpux -o x").err.find("did you mean 'cpu'?"), std::string::npos);
}

TEST(Calibrate, WithoutAGpuItSaysSo) {
  const Ran ran = run_line("calibrate --device cuda -o x.json");
  EXPECT_EQ(ran.code, 2);
  EXPECT_TRUE(ran.err.starts_with("moesaic: --device cuda: ")) << ran.err;
  EXPECT_EQ(ran.err.find('\n'), ran.err.size() - 1);
}

TEST(Calibrate, HelpShowsAnExample) {
  const Ran help = run_line("calibrate --help");
  EXPECT_EQ(help.code, 0);
  EXPECT_NE(help.out.find("moesaic calibrate --device cpu -o"), std::string::npos) << help.out;
}

TEST(Interrupt, TheFirstCtrlCRaisesTheFlag) {
  for (int time = 0; time < 2; ++time) {
    const Interrupt interrupt;
    EXPECT_FALSE(interrupt.flag());
    std::raise(SIGINT);
    EXPECT_TRUE(interrupt.flag());
  }
}

TEST(Interrupt, TheSecondCtrlCEndsTheProgram) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        const Interrupt interrupt;
        std::raise(SIGINT);
        std::raise(SIGINT);
      },
      testing::KilledBySignal(SIGINT), "");
}

}  // namespace
}  // namespace moesaic
