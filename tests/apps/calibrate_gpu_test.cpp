// From a GPU, which is a stub here, to a prediction on it; and what is kept when it is lost.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "apps/calibrate.hpp"
#include "base/error.hpp"
#include "tests/apps/run.hpp"
#include "tests/kernels/cuda/stub_runtime.hpp"
#include "tests/user_error.hpp"

namespace moesaic {
namespace {

namespace fs = std::filesystem;

class CalibrateGpu : public testing::Test {
 protected:
  CalibrateGpu() {
    fs::create_directories(folder_);
    options_.device = "cuda";
    options_.output_file = folder_ + "/gpu.json";
    options_.measurements_file = folder_ + "/gpu.csv";
    options_.date = "2026-11-28";
    options_.clock = stub_.clock();
  }
  ~CalibrateGpu() override { fs::remove_all(folder_); }

  std::string read(const std::string& file) const {
    std::ifstream stream(file);
    return {std::istreambuf_iterator<char>(stream), {}};
  }

  std::string folder_ = fresh_folder();
  cuda::StubRuntime stub_;
  CalibrateOptions options_;
  std::ostringstream out_, err_;
};

TEST_F(CalibrateGpu, MeasuresForAPrediction) {
  options_.seconds = 1;
  calibrate_gpu(stub_, options_, out_, err_);
  EXPECT_NE(out_.str().find("NVIDIA Stub 9000 (stub-9000)"), std::string::npos) << out_.str();
  EXPECT_NE(err_.str().find("few and small points"), std::string::npos) << err_.str();
  EXPECT_EQ(err_.str().find('\r'), std::string::npos) << "progress is for terminals";
  EXPECT_NE(read(options_.measurements_file).find("moesaic-cuda"), std::string::npos);
  const Ran predicted = run({"predict", "--model", "Qwen3-30B-A3B", "--machine", options_.output_file, "--batch", "4",
                             "--input", "128", "--output", "16"});
  EXPECT_EQ(predicted.code, 0) << predicted.err;
  EXPECT_NE(predicted.out.find("moesaic-cuda as measured on stub-9000"), std::string::npos) << predicted.out;
  EXPECT_EQ(stub_.alive(), 0U);
}

TEST_F(CalibrateGpu, FourGpusAreAMachineOfFour) {
  options_.seconds = 1;
  stub_.devices = 4;
  calibrate_gpu(stub_, options_, out_, err_);
  const Ran predicted = run({"predict", "--model", "Mixtral-8x7B", "--machine", options_.output_file, "--batch", "4",
                             "--input", "128", "--output", "16"});
  EXPECT_EQ(predicted.code, 0) << predicted.err;
  EXPECT_NE(predicted.out.find("4 devices, tp=4"), std::string::npos) << predicted.out;
}

TEST_F(CalibrateGpu, ALostGpuLeavesWhatWasMeasured) {
  stub_.fail = [](std::uint64_t number, const char*) {
    return number == 100'000 ? cuda::Status{719, "unspecified launch failure"} : cuda::Status{};
  };
  const std::string message = user_error([&] {
    calibrate_gpu(stub_, options_, out_, err_);
    return 0;
  });
  EXPECT_TRUE(message.starts_with("--device cuda: measuring ended after ")) << message;
  EXPECT_NE(message.find("unspecified launch failure (CUDA error 719); what was measured is written"),
            std::string::npos)
      << message;
  EXPECT_GT(fs::file_size(options_.measurements_file), 200U);
  EXPECT_EQ(run({"machines", "show", options_.output_file}).code, 0);
  EXPECT_EQ(stub_.alive(), 0U);
}

TEST_F(CalibrateGpu, LostBeforeThereIsAMachineItSaysSo) {
  stub_.fail = [](std::uint64_t number, const char*) {
    return number == 500 ? cuda::Status{719, "unspecified launch failure"} : cuda::Status{};
  };
  const std::string message = user_error([&] {
    calibrate_gpu(stub_, options_, out_, err_);
    return 0;
  });
  EXPECT_NE(message.find("no machine is written"), std::string::npos) << message;
  EXPECT_FALSE(fs::exists(options_.output_file));
  EXPECT_TRUE(fs::exists(options_.measurements_file));
}

TEST_F(CalibrateGpu, MistakesAreOneLine) {
  for (const char* line :
       {"calibrate --device cuda", "calibrate --device cuda -o x.json --threads 4",
        "calibrate --device cpu -o x.json --routing uniform", "calibrate --device cuda -o x.json --seconds -1"}) {
    const Ran ran = run_line(line);
    EXPECT_EQ(ran.code, 2) << line;
    EXPECT_EQ(ran.err.find('\n'), ran.err.size() - 1) << ran.err;
  }
  EXPECT_NE(run_line("calibrate --device cuda").err.find("-o: "), std::string::npos);
  EXPECT_NE(run_line("calibrate --device cuda -o x --threads 4").err.find("--threads"), std::string::npos);
}

}  // namespace
}  // namespace moesaic
