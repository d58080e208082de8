// The routed experts agree with each token's own sum over its experts.
#include "kernels/cpu/expert_ffn.hpp"

#include <gtest/gtest.h>

#include <cmath>

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
                 const std::vector<float>& weights) {
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
      ASSERT_NEAR(ffn.output()[token * hidden + i], expected[i], 1e-5) << "token " << token << " element " << i;
    }
  }
}

class Experts : public testing::TestWithParam<DType> {};

TEST_P(Experts, AgreeWithEachTokensSum) {
  // Sizes are no multiples of a block; expert 3 has no rows, expert 0 has one from every token.
  const ExpertShape shape{.hidden = 37, .inter = 21, .experts = 5, .top_k = 2, .most_tokens = 9};
  ExpertFfn ffn(shape, GetParam(), Threads(2));
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
  const ExpertShape shape{.hidden = 16, .inter = 405, .experts = 4, .top_k = 3, .most_tokens = 8};
  ExpertFfn ffn(shape, GetParam(), Threads(2));
  ffn.route_evenly(3);
  ffn.run();
  expect_sums(ffn, shape, {0, 1, 2, 3, 0, 1, 2, 3, 0}, std::vector<float>(9, 1 / 3.0F));
}
INSTANTIATE_TEST_SUITE_P(Storage, Experts, testing::Values(DType::fp32, DType::bf16),
                         [](const auto& test) { return std::string(name(test.param)); });

TEST(ExpertFfn, CountsItsWeights) {
  // Three matrices of 16 x 8 for 4 experts, 2 bytes each.
  const ExpertFfn ffn({.hidden = 16, .inter = 8, .experts = 4, .top_k = 1, .most_tokens = 1}, DType::bf16, Threads(1));
  EXPECT_EQ(ffn.weight_bytes().value, 3 * 16 * 8 * 4 * 2);
}

}  // namespace
}  // namespace moesaic::cpu
