// Routing chooses the right experts, sorting keeps the order of tokens, and the way back undoes the way there.
#include "kernels/cuda/routing.cuh"

#include <algorithm>
#include <numeric>

#include "tests/kernels/cuda_test.hpp"

namespace moesaic::cuda {
namespace {

std::size_t product(int a, int b) { return static_cast<std::size_t>(a) * static_cast<std::size_t>(b); }

void check_route(int tokens, int experts, int top_k, bool with_ties) {
  SCOPED_TRACE(testing::Message() << tokens << " tokens, " << experts << " experts, top " << top_k);
  Random random(static_cast<std::uint64_t>(tokens * experts + top_k));
  std::vector<float> logits(product(tokens, experts));
  for (float& logit : logits) {
    logit = with_ties ? static_cast<float>(random.integer(-1, 1)) * (random.integer(0, 1) != 0 ? 1.0F : -1.0F)
                      : random.number(-8, 8);
  }
  auto ids = poisoned<std::int32_t>(product(tokens, top_k));
  auto weights = poisoned<float>(product(tokens, top_k));
  ASSERT_TRUE(run(1, RouteWork{.tokens = tokens,
                               .experts = experts,
                               .top_k = top_k,
                               .logits = logits.data(),
                               .ids = ids.data(),
                               .weights = weights.data()})
                  .ok());
  std::vector<std::int32_t> expected_ids;
  std::vector<double> expected_weights;
  for (int token = 0; token < tokens; ++token) {
    const float* row = logits.data() + product(token, experts);
    std::vector<int> order(static_cast<std::size_t>(experts));
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(), [&](int a, int b) { return row[a] > row[b]; });
    double sum = 0;
    for (int j = 0; j < top_k; ++j) {
      sum += std::exp(double{row[order[static_cast<std::size_t>(j)]]});
    }
    for (int j = 0; j < top_k; ++j) {
      expected_ids.push_back(order[static_cast<std::size_t>(j)]);
      expected_weights.push_back(std::exp(double{row[order[static_cast<std::size_t>(j)]]}) / sum);
    }
  }
  EXPECT_EQ(ids, expected_ids);
  expect_close(weights, expected_weights, kFp32Tolerance);
}

TEST(Route, ChoosesTheLargestWithTheLowerFirstAmongEquals) {
  for (const bool with_ties : {false, true}) {
    check_route(1, 1, 1, with_ties);
    check_route(5, 8, 2, with_ties);
    check_route(9, 33, 32, with_ties);
    check_route(3, 128, 8, with_ties);
    check_route(6, 129, 1, with_ties);
    check_route(7, 256, 8, with_ties);
    check_route(2, 1023, 32, with_ties);
    check_route(3, 1024, 10, with_ties);
  }
  EXPECT_FALSE(run(0, RouteWork{.tokens = 1, .experts = 2, .top_k = 3}).ok());
  EXPECT_FALSE(run(0, RouteWork{.tokens = 1, .experts = 1025}).ok());
  EXPECT_FALSE(run(0, RouteWork{.tokens = 1, .experts = 64, .top_k = 33}).ok());
}

struct Choices {
  std::vector<std::int32_t> ids, offsets, row_of_choice;
};

/// Distinct experts for every token; the highest few are chosen by nobody.
Choices choose(int tokens, int experts, int top_k, Random& random) {
  Choices choices;
  const int used = std::max(top_k, experts * 3 / 4);
  std::vector<std::int32_t> all(static_cast<std::size_t>(used));
  std::iota(all.begin(), all.end(), 0);
  for (int token = 0; token < tokens; ++token) {
    std::shuffle(all.begin(), all.end(), random.engine());
    choices.ids.insert(choices.ids.end(), all.begin(), all.begin() + top_k);
  }
  std::vector<std::int32_t> order(choices.ids.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](std::int32_t a, std::int32_t b) {
    return choices.ids[static_cast<std::size_t>(a)] < choices.ids[static_cast<std::size_t>(b)];
  });
  choices.row_of_choice.resize(order.size());
  choices.offsets.assign(static_cast<std::size_t>(experts) + 1, 0);
  for (std::size_t row = 0; row < order.size(); ++row) {
    const auto choice = static_cast<std::size_t>(order[row]);
    choices.row_of_choice[choice] = static_cast<std::int32_t>(row);
    for (auto e = static_cast<std::size_t>(choices.ids[choice]); e < choices.offsets.size() - 1; ++e) {
      ++choices.offsets[e + 1];
    }
  }
  return choices;
}

void check_permute(int tokens, int experts, int top_k, int hidden, int seed) {
  SCOPED_TRACE(testing::Message() << tokens << " tokens, " << experts << " experts, top " << top_k);
  Random random(static_cast<std::uint64_t>(tokens * experts + seed));
  const Choices expected = choose(tokens, experts, top_k, random);
  const std::vector<Bf16> x = random.bf16(product(tokens, hidden));
  auto offsets = poisoned<std::int32_t>(static_cast<std::size_t>(experts) + 1);
  auto row_of_choice = poisoned<std::int32_t>(product(tokens, top_k));
  auto rows = poisoned<Bf16>(product(tokens * top_k, hidden));
  ASSERT_TRUE(run(seed, PermuteWork{.tokens = tokens,
                                    .experts = experts,
                                    .top_k = top_k,
                                    .hidden = hidden,
                                    .ids = expected.ids.data(),
                                    .x = x.data(),
                                    .offsets = offsets.data(),
                                    .row_of_choice = row_of_choice.data(),
                                    .rows = rows.data()})
                  .ok());
  EXPECT_EQ(offsets, expected.offsets);
  ASSERT_EQ(row_of_choice, expected.row_of_choice);
  for (int choice = 0; choice < tokens * top_k; ++choice) {
    const Bf16* row = rows.data() + product(row_of_choice[static_cast<std::size_t>(choice)], hidden);
    ASSERT_EQ(std::memcmp(row, x.data() + product(choice / top_k, hidden), product(hidden, 2)), 0) << choice;
  }

  std::vector<float> weights(product(tokens, top_k));
  for (float& weight : weights) {
    weight = random.number(0, 1);
  }
  auto out = poisoned<Bf16>(product(tokens, hidden));
  ASSERT_TRUE(run(seed, UnpermuteWork{.tokens = tokens,
                                      .top_k = top_k,
                                      .hidden = hidden,
                                      .row_of_choice = row_of_choice.data(),
                                      .weights = weights.data(),
                                      .rows = rows.data(),
                                      .out = out.data()})
                  .ok());
  std::vector<double> sums(out.size());
  for (std::size_t i = 0; i < sums.size(); ++i) {
    const std::size_t token = i / static_cast<std::size_t>(hidden), k = static_cast<std::size_t>(top_k);
    for (std::size_t j = token * k; j < (token + 1) * k; ++j) {
      sums[i] += double{weights[j]} * to_double(x[i]);
    }
  }
  expect_close(out, sums, kBf16Tolerance);
}

TEST(Permute, SortsByExpertAndComesBack) {
  for (int seed = 0; seed <= kSeeds; ++seed) {
    check_permute(70 + seed, 6, 2, 24, seed);
  }
  check_permute(1, 1, 1, 8, 1);
  check_permute(1, 9, 4, 8, 1);
  check_permute(700, 5, 3, 8, 2);     // several rounds of every warp
  check_permute(3, 64, 32, 2056, 3);  // more chunks than threads
  check_permute(33, 40, 8, 8, 4);
  EXPECT_FALSE(run(0, PermuteWork{.tokens = 1, .hidden = 12}).ok());
  EXPECT_FALSE(run(0, UnpermuteWork{.tokens = 1, .hidden = 12}).ok());
}

}  // namespace
}  // namespace moesaic::cuda
