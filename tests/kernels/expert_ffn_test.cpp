// The routed experts agree with each token's own sum over its experts.
#include "kernels/cpu/expert_ffn.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>

#include "kernels/cpu/stored_weights.hpp"
#include "tests/kernels/storage_and_instructions.hpp"

namespace moesaic::cpu {
namespace {

double silu(double x) { return x / (1 + std::exp(-x)); }

std::vector<double> expert_output(const ExpertFfn& ffn, const ExpertShape& shape, int token, int expert) {
  std::vector<double> middle;
  for (int row = 0; row < shape.inter; ++row) {
    double gate = 0, up = 0;
    for (int i = 0; i < shape.hidden; ++i) {
      gate += double{ffn.input(token, i)} * double{ffn.weight(ExpertMatrix::gate, expert, row, i)};
      up += double{ffn.input(token, i)} * double{ffn.weight(ExpertMatrix::up, expert, row, i)};
    }
    middle.push_back(silu(gate) * up);
  }
  std::vector<double> output;
  for (int row = 0; row < shape.hidden; ++row) {
    double sum = 0;
    for (int i = 0; i < shape.inter; ++i) {
      sum += middle[static_cast<std::size_t>(i)] * double{ffn.weight(ExpertMatrix::down, expert, row, i)};
    }
    output.push_back(sum);
  }
  return output;
}

void expect_sums(const ExpertFfn& ffn, const ExpertShape& shape, const std::vector<int>& experts,
                 const std::vector<float>& weights, double tolerance = 1e-5) {
  const auto top_k = static_cast<std::size_t>(shape.top_k), hidden = static_cast<std::size_t>(shape.hidden);
  ASSERT_EQ(ffn.output().size(), experts.size() / top_k * hidden);
  for (std::size_t token = 0; token < experts.size() / top_k; ++token) {
    std::vector<double> expected(hidden);
    for (std::size_t choice = token * top_k; choice < (token + 1) * top_k; ++choice) {
      const std::vector<double> part = expert_output(ffn, shape, static_cast<int>(token), experts[choice]);
      for (std::size_t i = 0; i < hidden; ++i) {
        expected[i] += double{weights[choice]} * part[i];
      }
    }
    for (std::size_t i = 0; i < hidden; ++i) {
      ASSERT_NEAR(ffn.output()[token * hidden + i], expected[i], tolerance) << "token " << token << " element " << i;
    }
  }
}

class Experts : public testing::TestWithParam<StorageAndInstructions> {
 public:
  static DType storage() { return std::get<0>(GetParam()); }
  static ExpertFfn make(const ExpertShape& shape) {
    return ExpertFfn(shape, storage(), Threads(2), {.instructions = std::get<1>(GetParam()), .libraries = false});
  }
  /// Whole numbers are stored in groups of 128.
  static int width(int wanted) { return can_store(storage(), wanted) ? wanted : (wanted + 127) / 128 * 128; }
};

TEST_P(Experts, AgreeWithEachTokensSum) {
  // Sizes are no multiples of a block; expert 3 has no rows, expert 0 has one from every token.
  const ExpertShape shape{.hidden = width(37), .inter = width(21), .experts = 5, .top_k = 2, .most_tokens = 9};
  ExpertFfn ffn = make(shape);
  const std::vector<int> experts = {0, 1, 2, 0, 0, 4, 4, 0, 1, 0, 0, 2, 0, 1};
  std::vector<float> weights;
  for (std::size_t i = 0; i < experts.size(); ++i) {
    weights.push_back(0.1F * static_cast<float>(i % 7 + 1));
  }
  ffn.route(experts, weights);
  for (int run = 0; run < 2; ++run) {  // a second run starts anew, it does not add to the first
    ffn.run();
    expect_sums(ffn, shape, experts, weights);
  }
}

TEST_P(Experts, EvenRoutingGoesRoundRobin) {
  const ExpertShape shape{.hidden = width(16), .inter = width(405), .experts = 4, .top_k = 3, .most_tokens = 8};
  ExpertFfn ffn = make(shape);
  ffn.route_evenly(3);
  ffn.run();
  expect_sums(ffn, shape, {0, 1, 2, 3, 0, 1, 2, 3, 0}, std::vector<float>(9, 1 / 3.0F));
}

TEST_P(Experts, AgreeForRandomShapesAndRoutings) {
  std::mt19937 random(11);
  const auto between = [&](int least, int most) { return std::uniform_int_distribution<int>(least, most)(random); };
  for (int trial = 0; trial < 8; ++trial) {
    const int experts = between(1, 9);
    const ExpertShape shape{.hidden = width(between(1, 200)),
                            .inter = width(between(1, 200)),
                            .experts = experts,
                            .top_k = between(1, experts),
                            .most_tokens = between(1, 12)};
    SCOPED_TRACE(testing::Message() << shape.hidden << " x " << shape.inter << ", " << shape.top_k << " of " << experts
                                    << ", tokens " << shape.most_tokens);
    ExpertFfn ffn = make(shape);
    std::vector<int> chosen;
    std::vector<float> weights;
    for (int token = 0; token < shape.most_tokens; ++token) {
      std::vector<int> order(static_cast<std::size_t>(experts));
      std::iota(order.begin(), order.end(), 0);
      std::shuffle(order.begin(), order.end(), random);
      for (int choice = 0; choice < shape.top_k; ++choice) {
        chosen.push_back(order[static_cast<std::size_t>(choice)]);
        weights.push_back(0.01F * static_cast<float>(between(1, 30)));
      }
    }
    ffn.route(chosen, weights);
    ffn.run();
    expect_sums(ffn, shape, chosen, weights);
  }
}

TEST_P(Experts, AgreeForAnyNumberOfRows) {
  // 1 to 8 rows are multiplied as weights come, more from unpacked panels; 397 leaves every block a remainder.
  const ExpertShape shape{.hidden = width(150), .inter = width(397), .experts = 2, .top_k = 1, .most_tokens = 13};
  ExpertFfn ffn = make(shape);
  for (int tokens = 1; tokens <= shape.most_tokens; ++tokens) {
    const std::vector<int> experts(static_cast<std::size_t>(tokens), 1);
    const std::vector<float> weights(static_cast<std::size_t>(tokens), 0.5F);
    ffn.route(experts, weights);
    ffn.run();
    expect_sums(ffn, shape, experts, weights);
  }
}
INSTANTIATE_TEST_SUITE_P(Storage, Experts,
                         testing::Combine(testing::Values(DType::fp32, DType::bf16, DType::int8, DType::int4),
                                          testing::ValuesIn(usable_instructions())),
                         param_name);

TEST(ExpertFfn, ALibraryTakesExpertsWithManyRows) {
  const ExpertShape shape{.hidden = 96, .inter = 80, .experts = 3, .top_k = 1, .most_tokens = 45};
  std::vector<int> experts;
  for (int token = 0; token < 45; ++token) {
    experts.push_back(token < 3 ? 0 : token % 3 == 0 ? 1 : 2);  // 3, 14 and 28 rows
  }
  const std::vector<float> weights(experts.size(), 0.75F);
  for (const DType storage : {DType::fp32, DType::bf16}) {
    ExpertFfn ffn(shape, storage, Threads(2));
    ffn.route(experts, weights);
    for (int run = 0; run < 2; ++run) {
      ffn.run();
      // Outputs are about 1; activations that are rounded twice to 8 bits leave their mark.
      expect_sums(ffn, shape, experts, weights, storage == DType::bf16 ? 1e-2 : 1e-5);
    }
  }
}

TEST(StoredWeights, QuantiseToTheNearestStep) {
  const int columns = 3, k = 256;
  const auto value = [](std::size_t i) { return i / 128 == 1 ? 0.0F : 0.7F * small_number(i) + 0.1F; };
  for (const auto& [storage, steps] : {std::pair{DType::int8, 127.0F}, std::pair{DType::int4, 7.5F}}) {
    const StoredWeights stored(storage, columns, k, Threads(2), value);
    for (int column = 0; column < columns; ++column) {
      for (int i = 0; i < k; ++i) {
        // A step of the range -0.6 to 0.8, a half for rounding the value and a half for the zero point.
        EXPECT_NEAR(stored.element(column, i), value(static_cast<std::size_t>(column * k + i)), 0.81F / steps);
      }
    }
    EXPECT_EQ(stored.element(0, 200), 0);  // a group of zeros stays one
  }
}

TEST(StoredWeights, CountScalesAndZeroPoints) {
  const auto bytes = [](DType storage) { return StoredWeights(storage, 4, 256, Threads(1), small_number).bytes(); };
  EXPECT_EQ(bytes(DType::bf16).value, 4 * 256 * 2);
  EXPECT_EQ(bytes(DType::int8).value, 4 * (256 + 2 * 2));
  EXPECT_EQ(bytes(DType::int4).value, 4 * (128 + 2 * 2 + 2));
}

TEST(ExpertFfn, CountsItsWeights) {
  // Three matrices of 16 x 8 for 4 experts, 2 bytes each.
  const ExpertFfn ffn({.hidden = 16, .inter = 8, .experts = 4, .top_k = 1, .most_tokens = 1}, DType::bf16, Threads(1));
  EXPECT_EQ(ffn.weight_bytes().value, 3 * 16 * 8 * 4 * 2);
}

}  // namespace
}  // namespace moesaic::cpu
