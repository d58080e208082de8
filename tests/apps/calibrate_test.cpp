// From nothing to a prediction on this computer; and what is said where something is missing.
#include <csignal>
#include <filesystem>

#include "apps/interrupt.hpp"
#include "tests/apps/run.hpp"

namespace moesaic {
namespace {

namespace fs = std::filesystem;

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
