// unit and closed form: terms of the software, their files, and their fit on made-up steps.
#include "calibrate/software_terms.hpp"

#include <gtest/gtest.h>

#include "calibrate/measured_step.hpp"
#include "tests/user_error.hpp"

namespace moesaic {
namespace {

constexpr Seconds kMillisecond{1e-3};

StepParts parts(double device_ms, double launches, double sequences, bool captured) {
  StepParts parts;
  parts.device = kMillisecond * device_ms;
  parts.launches = launches;
  parts.sequences = sequences;
  parts.tokens = captured ? sequences : 512 * sequences;
  parts.captured = captured;
  return parts;
}

TEST(SoftwareTerms, AddUpByHand) {
  SoftwareTerms terms;
  terms.host_time = Seconds{1e-3};
  terms.sampling = Seconds{1e-5};
  terms.kernel_gap = Seconds{1e-6};
  terms.launch = Seconds{1e-5};
  terms.prompt_token = Seconds{1e-6};
  // 1 + 8 * 0.01 + 10 + 1000 * 0.001 ms; a captured step has no launches of its own.
  EXPECT_NEAR(terms.step(parts(10, 1000, 8, true)).value, 12.08e-3, 1e-12);
  // 4096 prompt tokens add 4.096 ms; launches take 10 ms and hide behind 11 ms of the device.
  EXPECT_NEAR(terms.step(parts(10, 1000, 8, false)).value, 16.176e-3, 1e-12);
  // A device that needs 2 + 1 ms waits for 10 ms of launches.
  EXPECT_NEAR(terms.step(parts(2, 1000, 8, false)).value, 15.176e-3, 1e-12);
  terms.graphs = false;
  EXPECT_NEAR(terms.step(parts(2, 1000, 8, true)).value, 11.08e-3, 1e-12);
  // On a host half as fast everything that the host does takes twice as long.
  EXPECT_NEAR(terms.on_host(2).step(parts(2, 1000, 8, true)).value, 22.16e-3, 1e-12);
}

TEST(SoftwareTerms, QueryHeadsThatReadTheCacheThemselves) {
  SoftwareTerms terms;
  StepParts step = parts(10, 0, 1, true);
  step.unshared = Seconds{7e-3};
  EXPECT_NEAR(terms.step(step).value, 10e-3, 1e-15);
  terms.shares_cache = false;
  EXPECT_NEAR(terms.step(step).value, 17e-3, 1e-15);
}

TEST(SoftwareTerms, FitFindsWhatMadeTheSteps) {
  SoftwareTerms truth;
  truth.host_time = Seconds{2e-3};
  truth.sampling = Seconds{3e-5};
  truth.kernel_gap = Seconds{2e-6};
  std::vector<MeasuredSum> rows;
  for (const double device : {2.0, 5.0, 10.0, 40.0}) {
    for (const double launches : {200.0, 800.0, 1600.0}) {
      for (const double sequences : {1.0, 16.0, 128.0}) {
        const std::vector<WeightedParts> steps{{1, parts(device, launches, sequences, true)}};
        rows.push_back({time_of(steps, truth), steps});
      }
    }
  }
  const SoftwareTerms fit = fit_software_terms(rows, {});
  EXPECT_NEAR(fit.host_time.value, 2e-3, 4e-5);
  EXPECT_NEAR(fit.sampling.value, 3e-5, 6e-7);
  EXPECT_NEAR(fit.kernel_gap.value, 2e-6, 4e-8);
  const SoftwareTerms again = fit_software_terms(rows, {});
  EXPECT_EQ(fit.host_time.value, again.host_time.value);
}

TEST(SoftwareTerms, ShippedFilesRead) {
  const std::vector<Software> all = shipped_software();
  for (const char* engine : {"vllm", "trtllm", "sglang", "vllm-2023", "vllm-2024"}) {
    EXPECT_NE(find_software(all, engine), nullptr) << engine;
  }
  EXPECT_EQ(find_software(all, "none"), nullptr);
  EXPECT_GT(find_software(all, "vllm-2023")->pace("a100-80gb-sxm"), 1);
  EXPECT_EQ(find_software(all, "vllm-2023")->pace("h100-sxm"), 1);
}

TEST(SoftwareTerms, Mistakes) {
  const auto read = [](const char* text) { return read_software(Config::parse(text, "engine.json")); };
  EXPECT_THROW(read(R"({"name": "x", "steps": {"host_time": 3}})"), UserError);
  EXPECT_THROW(read(R"({"name": "x", "steps": {"host_tmie": "3 us"}})"), UserError);
  EXPECT_THROW(read(R"({"name": "x", "steps": {}, "host_pace": {"h100-sxm": 0}})"), UserError);
  EXPECT_THROW(read(R"({"name": "x", "steps": {"host_time": "-3 us"}})"), UserError);
}

TEST(MeasuredSteps, HalvesHoldWholeConfigurations) {
  MeasuredStep step;
  step.kind = StepKind::closed_loop;
  step.device = "h100-sxm";
  step.model = "some";
  step.input = 1024;
  step.output = 128;
  MeasuredStep more = step;
  more.batch = 64;
  EXPECT_EQ(step.configuration(), more.configuration());
  more.output = 256;
  EXPECT_NE(step.configuration(), more.configuration());
  std::size_t fitted = 0;
  for (int i = 0; i < 1000; ++i) {
    fitted += in_fitted_half("configuration " + std::to_string(i));
  }
  EXPECT_GT(fitted, 250U);  // names that count up do not scatter as evenly as different ones
  EXPECT_LT(fitted, 750U);
}

}  // namespace
}  // namespace moesaic
