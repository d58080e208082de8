#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "model/accounting.hpp"
#include "tests/model/model_texts.hpp"
#include "tests/model/published.hpp"

namespace moesaic {
namespace {

constexpr double kTeraFlops = 1e12;

// Kinetics (arXiv:2506.05333): the authors' costs of their own generations for the first AIME24 question, as published
// in cost_model/aime24 of github.com/Infini-AI-Lab/Kinetics. The prompt of 155 tokens follows from the first row; the
// costs are means over generations in TFLOP, memory at 562.5 FLOP per byte.
struct Study {
  const char* id;
  std::vector<double> lengths;
  KineticsCost (*cost)(double parameters, double heads_dim, double kv_dim, const KineticsLoad& load);
  double parameters, heads_dim, kv_dim;
  struct Published {
    double trials, compute, memory;
  };
  std::vector<Published> published;
};

constexpr double kPrompt = 155;
const std::vector<Study> kStudies = {
    {"Qwen3-8B dense",
     {8253,  12777, 8502,  11134, 10950, 9364,  13403, 14893, 10085, 10553, 29481, 19360, 10311, 15844, 17722, 30719,
      10485, 13003, 25976, 10114, 15756, 12063, 24963, 9307,  12267, 12365, 13096, 11417, 10001, 4870,  19562, 16167},
     kinetics_dense,
     8.19e9,
     32 * 128 * 36,
     8 * 128 * 36,
     {{1, 304.50358475517595, 10085.874487056},
      {2, 609.0071695103519, 19989.043391232},
      {32, 9744.11471216563, 317084.11051651195}}},
    {"Qwen3-32B dense",
     {10846, 9254, 11833, 6495, 8571, 10747, 10485, 9014},
     kinetics_dense,
     32.76e9,
     64 * 128 * 64,
     8 * 128 * 64,
     {{1, 736.1271433578238, 7276.682345472}, {8, 5889.01714686259, 56668.657637376}}},
    {"Qwen3-8B top 1024",
     {12320, 10268, 14704, 11751, 8935, 15893, 11571, 14046, 27294, 11218, 11746, 10692, 23910, 10866, 29917, 11260,
      10587, 12120, 11975, 28787, 9209, 11009, 30767, 30316, 14303, 12242, 11536, 8893,  19008, 12998, 30767, 26120},
     [](double parameters, double heads_dim, double kv_dim, const KineticsLoad& load) {
       return kinetics_top_k(parameters, heads_dim, kv_dim, load, {.local = 0, .block = 1, .top_k = 1024});
     },
     8.19e9,
     32 * 128 * 36,
     8 * 128 * 36,
     {{1, 274.63499027913593, 1403.617890816}, {32, 8788.31968893235, 44915.772506112}}},
    {"Qwen3-8B 64 blocks of 16",
     {10238, 30767, 11963, 12777, 9715,  16134, 16538, 11023, 10200, 30767, 14016, 13061, 11286, 14032, 13155, 9947,
      11487, 30767, 12431, 15507, 12246, 11891, 15643, 20678, 13742, 11060, 28172, 11390, 9458,  17437, 30767, 9318},
     [](double parameters, double heads_dim, double kv_dim, const KineticsLoad& load) {
       return kinetics_block_top_k(parameters, heads_dim, kv_dim, load, {});
     },
     8.19e9,
     32 * 128 * 36,
     8 * 128 * 36,
     {{1, 267.02939694549593, 1731.620048976}, {32, 8544.94070225587, 55222.19278164}}},
};

TEST(Kinetics, PublishedCosts) {
  for (const Study& study : kStudies) {
    for (const Study::Published& published : study.published) {
      Flops compute, equivalent;
      for (const double length : study.lengths) {
        const KineticsCost cost =
            study.cost(study.parameters, study.heads_dim, study.kv_dim, {kPrompt, length, published.trials});
        compute += cost.compute;
        equivalent += cost.equivalent;
      }
      const double count = static_cast<double>(study.lengths.size()) * kTeraFlops;
      check(std::vector<Row>{
          {study.id, published.compute, compute.value / count, 1e-12},
          {study.id, published.compute + published.memory, equivalent.value / count, 1e-12},
      });
    }
  }
}

TEST(Kinetics, DimensionsAreThoseOfThePresets) {
  const auto dimensions = [](const char* name) {
    const Architecture architecture = preset(name);
    const auto& attention = std::get<SoftmaxAttention>(architecture.kinds[0].attention);
    return std::pair{attention.heads * attention.qk_dim * architecture.layer_count(),
                     attention.kv_heads * attention.qk_dim * architecture.layer_count()};
  };
  EXPECT_EQ(dimensions("Qwen3-8B"), (std::pair<std::int64_t, std::int64_t>{32 * 128 * 36, 8 * 128 * 36}));
  EXPECT_EQ(dimensions("Qwen3-32B"), (std::pair<std::int64_t, std::int64_t>{64 * 128 * 64, 8 * 128 * 64}));
}

TEST(Kinetics, DenseCostIsTheSumOverSteps) {
  constexpr double kParameters = 1000, kHeads = 64, kKeys = 16;
  const KineticsLoad load{100, 50, 3};
  double compute = 0, memory = 0;
  for (int step = 0; step < 50; ++step) {
    const double seen = step + 0.5;  // the paper integrates over the step
    compute += 3 * (2 * kParameters + 4 * (100 + seen) * kHeads);
    memory += 2 * 2 * (100 + 3 * seen) * kKeys;  // K and V of two bytes; the prompt is read once for all trials
  }
  const KineticsCost cost = kinetics_dense(kParameters, kHeads, kKeys, load);
  EXPECT_NEAR(cost.compute.value, compute, 1e-6);
  EXPECT_NEAR(cost.memory.value, memory, 1e-6);
  EXPECT_EQ(cost.equivalent.value, cost.compute.value + 562.5 * cost.memory.value);
}

TEST(Kinetics, SparseCostWithTheShortfallSubtracted) {
  // Prompt 100, 400 generated, budget 256: the first 156 steps see fewer than 256 tokens.
  const KineticsSparsity sparsity{.local = 0, .block = 16, .top_k = 16, .subtract_shortfall = true};
  double tokens = 0;
  for (int step = 0; step < 400; ++step) {
    tokens += std::min(256.0, 100 + step + 0.5);
  }
  const KineticsCost cost = kinetics_top_k(0, 1, 1, {100, 400, 1}, sparsity);
  EXPECT_EQ(cost.compute.value, 4 * tokens);
  EXPECT_EQ(cost.memory.value, 4 * tokens);
  // The search reads one key of each whole block: (2 x 100 + 400) / 16 = 37 of them.
  const KineticsCost block = kinetics_block_top_k(0, 1, 1, {100, 400, 1}, sparsity);
  EXPECT_EQ(block.compute.value - cost.compute.value, 37 * 400.0);
  EXPECT_EQ(block.memory.value - cost.memory.value, 37 * 400.0);
}

}  // namespace
}  // namespace moesaic
