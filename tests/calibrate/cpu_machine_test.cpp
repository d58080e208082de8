// Measured facts become a machine that reads back with the same figures.
#include "calibrate/cpu_machine.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "base/error.hpp"
#include "calibrate/cost_model.hpp"
#include "hw/machine.hpp"
#include "tests/temporary_file.hpp"

namespace moesaic {
namespace {

CpuFacts example() {
  Timing timing;
  timing.median = {1e-3};
  timing.spread = 0.012;
  timing.samples = 7;
  CpuFacts facts;
  facts.device = "example-cpu";
  facts.model = "Example \"CPU\" 4000";
  facts.processors = 8;
  facts.cores = 4;
  facts.threads = 4;
  facts.memory = {64e9};
  facts.l2 = {4e6};
  facts.last_cache = {32e6};
  facts.caches_known = true;
  facts.dispatch = {4.5e-6};
  facts.bandwidth = {{"read", "L3", {16e6}, 4, {200e9}, timing},
                     {"read", "memory", {128e6}, 1, {12.5e9}, timing},
                     {"read", "memory", {128e6}, 4, {40.25e9}, timing},
                     {"copy", "memory", {128e6}, 4, {55e9}, timing}};
  facts.peaks = {{DType::fp32, {400e9}, "gemm onednn fp32 n=2048 k=2048 m=512", timing},
                 {DType::int8, {1.25e12}, "gemm onednn int8 n=2048 k=2048 m=512", timing}};
  facts.contention = {3, {30e9}, {21.5e9}, {8e9}, {6.25e9}, timing};
  return facts;
}

Machine read_back(const CpuFacts& facts) {
  const std::string file = temporary_file("example-cpu.json");
  std::ofstream(file) << cpu_machine_json(facts);
  return read_machine(load_machine_config(file));
}

TEST(CpuMachine, ReadsBack) {
  const Machine machine = read_back(example());
  EXPECT_EQ(machine.name, "example-cpu");
  ASSERT_EQ(machine.device.units.size(), 1U);
  const Unit& unit = machine.device.units[0];
  EXPECT_EQ(unit.name, "cpu");
  EXPECT_NEAR(unit.peak[static_cast<std::size_t>(DType::fp32)].value, 400e9, 1e6);
  EXPECT_NEAR(unit.peak[static_cast<std::size_t>(DType::int8)].value, 1.25e12, 1e6);
  EXPECT_EQ(unit.peak[static_cast<std::size_t>(DType::bf16)].value, 0);
  EXPECT_NEAR(unit.launch_latency.value, 4.5e-6, 1e-9);
  EXPECT_NEAR(machine.device.memory.capacity.value, 64e9, 1e6);
  EXPECT_NEAR(machine.device.memory.bandwidth.value, 40.25e9, 0.06e9) << "the best read from memory, not a copy";
}

/// Products by two libraries, one of them three times slower.
Measurements products(const CpuFacts& facts) {
  Measurements all;
  all.files = {"this computer"};
  const std::uint32_t fast = all.key_index({Family::gemm, facts.device, std::string(kCpuStack), "fp32", "", "onednn"});
  const std::uint32_t slow = all.key_index({Family::gemm, facts.device, std::string(kCpuStack), "fp32", "", "loop"});
  for (const double n : {1024., 2048., 4096.}) {
    for (double m = 1; m <= 512; m *= 2) {
      const double seconds = 5e-6 + std::max(2 * m * n * 1024 / 300e9, 4 * (n * 1024 + m * (n + 1024)) / 35e9);
      all.rows.push_back({fast, 0, 1, {n, 1024, m}, Seconds{seconds}});
      all.rows.push_back({slow, 0, 2, {n, 1024, m}, Seconds{3 * seconds}});
    }
  }
  return all;
}

TEST(CpuMachine, BringsTheFastestOfItsKernels) {
  const CpuFacts facts = example();
  const Measurements all = products(facts);
  const std::optional<Profile> profile = fit_cpu_profile(facts, all, "2026-11-28");
  ASSERT_TRUE(profile);
  ASSERT_EQ(profile->surfaces.size(), 1U);
  EXPECT_EQ(profile->surfaces[0].rows, all.rows.size() / 2);
  const std::string file = temporary_file("example-cpu-profile.json");
  std::ofstream(file) << cpu_machine_json(facts, &*profile);
  const Machine machine = read_machine(load_machine_config(file));
  EXPECT_EQ(load_cost_model("measured", machine)->name(), "moesaic-cpu as measured on example-cpu");
  EXPECT_EQ(load_cost_model("default", machine)->name(), default_cost_model()->name());
  EXPECT_FALSE(fit_cpu_profile(facts, {}, "2026-11-28"));
}

TEST(CpuMachine, EveryFigureSaysHowItWasMeasured) {
  const Config sources = Config::parse(cpu_machine_json(example()), "cpu").at("sources");
  for (const char* key : {"units.cpu.peak", "units.cpu.launch_latency", "memory.capacity", "memory.bandwidth",
                          "memory.bandwidth (shared)"}) {
    EXPECT_FALSE(sources.at(key).string().empty()) << key;
  }
  const std::string peak = sources.at("units.cpu.peak").string();
  EXPECT_NE(peak.find("achieved and not theoretical"), std::string::npos);
  EXPECT_NE(peak.find("n=2048 k=2048 m=512, median of 7 repeats, spread 1.2%"), std::string::npos) << peak;
  EXPECT_NE(sources.at("memory").string().find("L3 read"), std::string::npos);
}

TEST(CpuMachine, WithoutTheEssentialFiguresThereIsNone) {
  for (int missing = 0; missing < 3; ++missing) {
    CpuFacts facts = example();
    if (missing == 0) {
      facts.bandwidth.resize(1);
    } else if (missing == 1) {
      facts.peaks.clear();
    } else {
      facts.dispatch = {};
    }
    EXPECT_THROW(cpu_machine_json(facts), UserError) << missing;
  }
}

TEST(CpuMachine, ANoisyMachineSaysSo) {
  CpuFacts facts = example();
  EXPECT_EQ(cpu_machine_json(facts).find("noisy"), std::string::npos);
  facts.noise.noisy = true;
  EXPECT_NE(cpu_machine_json(facts).find("on a noisy machine"), std::string::npos);
}

TEST(CpuMachine, TheSummaryHasEveryFigure) {
  const std::string text = cpu_facts_text(example());
  for (const char* part : {"Example", "4.50 us", "400 GFLOP/s", "200 GB/s", "copy of 128 MB, 4 threads", "1 thread,",
                           "by 3 threads beside a copy of weights by 1: 21.5 GB/s instead of 30.0 GB/s"}) {
    EXPECT_NE(text.find(part), std::string::npos) << part << "\n" << text;
  }
}

}  // namespace
}  // namespace moesaic
