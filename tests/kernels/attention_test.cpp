// Paged decode attention with an online softmax agrees with softmax(q K^T / sqrt(d)) V computed as it is written.
#include "kernels/cpu/attention.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "kernels/cpu/exponential.hpp"
#include "tests/kernels/storage_and_instructions.hpp"

namespace moesaic::cpu {
namespace {

std::vector<double> reference(const DecodeAttention& cache, const DecodeShape& shape, int sequence, int q_head) {
  const int kv_head = q_head / (shape.q_heads / shape.kv_heads), copy = cache.copy();
  std::vector<double> weights;
  double sum = 0;
  for (int t = 0; t < shape.context; ++t) {
    double score = 0;
    for (int i = 0; i < shape.head_dim; ++i) {
      score += double{cache.query(copy, sequence, q_head, i)} * double{cache.key(copy, sequence, t, kv_head, i)};
    }
    weights.push_back(std::exp(score / std::sqrt(shape.head_dim)));
    sum += weights.back();
  }
  std::vector<double> output(static_cast<std::size_t>(shape.head_dim));
  for (int t = 0; t < shape.context; ++t) {
    for (int i = 0; i < shape.head_dim; ++i) {
      output[static_cast<std::size_t>(i)] +=
          weights[static_cast<std::size_t>(t)] / sum * double{cache.value(copy, sequence, t, kv_head, i)};
    }
  }
  return output;
}

class Decode : public testing::TestWithParam<StorageAndInstructions> {
 public:
  /// Sums are of 32 bits; the matrix unit takes queries and weights in 16 bits, 8 of them behind the point.
  static double tolerance() {
    return GetParam() == StorageAndInstructions{DType::bf16, Instructions::amx} ? 2e-3 : 1e-5;
  }
};

TEST_P(Decode, AgreesWithTheDefinition) {
  const DecodeShape shapes[] = {
      {.sequences = 1, .context = 1, .q_heads = 1, .kv_heads = 1, .head_dim = 8},
      {.sequences = 3, .context = 16, .q_heads = 4, .kv_heads = 4, .head_dim = 32},  // one full page
      {.sequences = 2, .context = 50, .q_heads = 8, .kv_heads = 2, .head_dim = 20},  // the last page holds 2 tokens
      {.sequences = 1, .context = 131, .q_heads = 6, .kv_heads = 2, .head_dim = 128},
      {.sequences = 2, .context = 33, .q_heads = 26, .kv_heads = 2, .head_dim = 72},  // 8 + 4 + 1 heads at once
      {.sequences = 1, .context = 300, .q_heads = 16, .kv_heads = 1, .head_dim = 256},
      {.sequences = 2, .context = 77, .q_heads = 6, .kv_heads = 2, .head_dim = 96},  // a last block of half the size
      {.sequences = 1, .context = 64, .q_heads = 17, .kv_heads = 1, .head_dim = 64},
  };
  const Threads threads(2);
  for (const DecodeShape& shape : shapes) {
    DecodeAttention attention(shape, std::get<0>(GetParam()), 2, threads, std::get<1>(GetParam()));
    for (int run = 0; run < 3; ++run) {
      attention.run();
      EXPECT_EQ(attention.copy(), run % 2);
      for (int sequence = 0; sequence < shape.sequences; ++sequence) {
        for (int head = 0; head < shape.q_heads; ++head) {
          const std::vector<double> expected = reference(attention, shape, sequence, head);
          const auto first = static_cast<std::size_t>((sequence * shape.q_heads + head) * shape.head_dim);
          for (std::size_t i = 0; i < expected.size(); ++i) {
            ASSERT_NEAR(attention.output()[first + i], expected[i], tolerance())
                << "context " << shape.context << " sequence " << sequence << " head " << head << " element " << i;
          }
        }
      }
    }
  }
}

TEST_P(Decode, AgreesForRandomShapes) {
  std::mt19937 random(7);
  const auto between = [&](int least, int most) { return std::uniform_int_distribution<int>(least, most)(random); };
  for (int trial = 0; trial < 25; ++trial) {
    const int kv_heads = between(1, 3);
    const DecodeShape shape{.sequences = between(1, 3),
                            .context = between(1, 200),
                            .q_heads = kv_heads * between(1, 17),
                            .kv_heads = kv_heads,
                            .head_dim = 2 * between(1, 80)};
    SCOPED_TRACE(testing::Message() << shape.sequences << " x " << shape.context << ", heads " << shape.q_heads << "/"
                                    << shape.kv_heads << " of " << shape.head_dim);
    DecodeAttention attention(shape, std::get<0>(GetParam()), 1, Threads(2), std::get<1>(GetParam()));
    attention.run();
    for (int sequence = 0; sequence < shape.sequences; ++sequence) {
      for (int head = 0; head < shape.q_heads; ++head) {
        const std::vector<double> expected = reference(attention, shape, sequence, head);
        const auto first = static_cast<std::size_t>((sequence * shape.q_heads + head) * shape.head_dim);
        for (std::size_t i = 0; i < expected.size(); ++i) {
          ASSERT_NEAR(attention.output()[first + i], expected[i], tolerance()) << "head " << head << " element " << i;
        }
      }
    }
  }
}

TEST_P(Decode, SumsOverALongContext) {
  const DecodeShape shape{.sequences = 1, .context = 100'001, .q_heads = 2, .kv_heads = 1, .head_dim = 64};
  DecodeAttention attention(shape, std::get<0>(GetParam()), 1, Threads(1), std::get<1>(GetParam()));
  attention.run();
  for (int head = 0; head < shape.q_heads; ++head) {
    const std::vector<double> expected = reference(attention, shape, 0, head);
    for (std::size_t i = 0; i < expected.size(); ++i) {
      ASSERT_NEAR(attention.output()[static_cast<std::size_t>(head * shape.head_dim) + i], expected[i], tolerance());
    }
  }
}
INSTANTIATE_TEST_SUITE_P(Storage, Decode,
                         testing::Combine(testing::Values(DType::fp32, DType::bf16),
                                          testing::ValuesIn(usable_instructions())),
                         param_name);

TEST(DecodeCache, HoldsWholePages) {
  // 50 tokens need 4 pages of 16; keys and values; 2 sequences, 2 heads of 20 elements of 2 bytes.
  const DecodeAttention attention({.sequences = 2, .context = 50, .q_heads = 8, .kv_heads = 2, .head_dim = 20},
                                  DType::bf16, 3, Threads(1));
  EXPECT_EQ(attention.cache_bytes().value, 2.0 * 2 * 4 * 16 * 2 * 20 * 2);
}

TEST(Exponential, IsCloseToTheRealOne) {
  for (float x = -80; x <= 80; x += 0.37F) {
    EXPECT_NEAR(exponential(x) / std::exp(x), 1, 1e-6) << x;
  }
  EXPECT_EQ(exponential(0), 1);
  EXPECT_LT(exponential(-INFINITY), 1e-37F);
}

}  // namespace
}  // namespace moesaic::cpu
