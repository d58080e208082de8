// What published simulations of stacked memories print, from timing alone: no figure of the memories is fitted to it.
#include <gtest/gtest.h>

#include "hw/dram/closed_form.hpp"

namespace moesaic {
namespace {

constexpr Bytes kExpertMatrix{4096.0 * 14336 * 2};

struct Published {
  const char* memory;
  const char* path;
  double least, most;  ///< TB/s
};

// The published simulator of Duplex (arXiv:2409.01141), mode with commands, one expert matrix of Mixtral.
TEST(DramPublished, DuplexExpertMatrix) {
  for (const auto& [memory, path, least, most] : {Published{"hbm3-5200", "external", 2.60, 2.60},
                                                  {"hbm3-5200", "logic-pim", 9.03, 9.03},
                                                  {"hbm3-5200", "bank", 34.0, 34.6},
                                                  {"hbm3e-8000", "external", 5.64, 5.64},
                                                  {"hbm3e-8000", "logic-pim", 17.8, 17.8}}) {
    const auto dram = load_dram(memory);
    const AccessPath way = access_path(path, *dram);
    const double simulated = simulate_stream(*dram, way, kExpertMatrix).bandwidth().value / 1e12;
    EXPECT_GT(simulated, least * 0.95) << memory << " " << path;
    EXPECT_LT(simulated, most * 1.05) << memory << " " << path;
    const double formula = (kExpertMatrix / closed_form_time(*dram, way, kExpertMatrix)).value / 1e12;
    EXPECT_GT(formula, least * 0.95) << memory << " " << path;
    EXPECT_LT(formula, most * 1.05) << memory << " " << path;
  }
}

// AttAcc (ASPLOS 2024), its released simulator, attention of 77 heads a stack over 2,100 tokens with the power limit: a
// command on all banks every 6 cycles. A stack reads 77 x 2,100 x 128 keys in two bytes, then as many values.
TEST(DramPublished, AttAccAttention) {
  Dram stack = *load_dram("hbm3-5200");
  stack.stacks = 1;
  const Bytes keys{77.0 * 2100 * 128 * 2};
  const std::pair<const char*, double> published[] = {{"bank", 5.07}, {"bank-group", 1.54}, {"buffer", 0.577}};
  for (const auto& [path, expected] : published) {
    const AccessPath way = with_power_limit(access_path(path, stack), stack, 6);
    EXPECT_NEAR(simulate_stream(stack, way, keys).bandwidth().value / 1e12, expected, expected * 0.05) << path;
    EXPECT_NEAR(nominal(stack, way).value * attained_share(stack, way) / 1e12, expected, expected * 0.05) << path;
  }
}

// The same source: pJ per bit without opening rows, and 0.11 for a row that is opened once and read whole.
TEST(DramPublished, EnergyPerBit) {
  const auto dram = load_dram("hbm3-5200");
  const std::pair<const char*, double> published[] = {
      {"external", 3.48}, {"logic-pim", 1.81}, {"bank-group", 2.68}, {"bank", 0.73}};
  for (const auto& [path, expected] : published) {
    const AccessPath way = access_path(path, *dram);
    EXPECT_NEAR(column_energy(*dram, way).value / 8e-12, expected, 1e-9) << path;
  }
  EXPECT_NEAR(dram->energy[0].value / 8e-12, 0.11, 0.005);
}

// And with rows opened, again where a refresh closed them. Of H100's external path the source has 3.65.
TEST(DramPublished, EnergyPerBitWithRows) {
  const std::tuple<const char*, const char*, double> published[] = {{"hbm3-5200", "external", 3.65},
                                                                    {"hbm3-5200", "logic-pim", 1.93},
                                                                    {"hbm3-5200", "bank", 0.85},
                                                                    {"hbm3e-8000", "external", 3.65},
                                                                    {"hbm3e-8000", "logic-pim", 1.93}};
  for (const auto& [memory, path, expected] : published) {
    const auto dram = load_dram(memory);
    EXPECT_NEAR(energy(*dram, access_path(path, *dram)).value / 8e-12, expected, expected * 0.01) << memory << path;
  }
}

// Multiples of the data buses' bandwidth: Duplex, section VI; one bundle of 8 banks, 16 banks in each of two ranks.
TEST(DramPublished, NominalMultiples) {
  for (const char* memory : {"hbm3-5200", "hbm3e-8000"}) {
    const auto dram = load_dram(memory);
    const std::pair<const char*, double> published[] = {
        {"external", 1}, {"buffer", 1}, {"logic-pim", 4}, {"bank-group", 4}, {"bank", 16}};
    for (const auto& [path, multiple] : published) {
      EXPECT_NEAR(nominal(*dram, access_path(path, *dram)) / dram->peak(), multiple, 1e-9) << path;
    }
  }
}

}  // namespace
}  // namespace moesaic
