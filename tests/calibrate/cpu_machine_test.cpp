// Measured facts become a machine that reads back with the same figures.
#include "calibrate/cpu_machine.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "base/error.hpp"
#include "hw/machine.hpp"

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
  return facts;
}

Machine read_back(const CpuFacts& facts) {
  const std::string file = testing::TempDir() + "moesaic-example-cpu.json";
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

TEST(CpuMachine, EveryFigureSaysHowItWasMeasured) {
  const Config sources = Config::parse(cpu_machine_json(example()), "cpu").at("sources");
  for (const char* key : {"units.cpu.peak", "units.cpu.launch_latency", "memory.capacity", "memory.bandwidth"}) {
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
  for (const char* part : {"Example", "4.50 us", "400 GFLOP/s", "200 GB/s", "copy of 128 MB, 4 threads", "1 thread,"}) {
    EXPECT_NE(text.find(part), std::string::npos) << part << "\n" << text;
  }
}

}  // namespace
}  // namespace moesaic
