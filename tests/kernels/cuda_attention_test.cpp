// Attention kernels agree with softmax(q k^T scale) v as it is written, in double precision.
#include <Eigen/Core>
#include <numeric>

#include "kernels/cuda/decode_attention.cuh"
#include "kernels/cuda/linear_attention.cuh"
#include "kernels/cuda/mla_decode.cuh"
#include "kernels/cuda/prefill_attention.cuh"
#include "tests/kernels/cuda_test.hpp"

namespace moesaic::cuda {
namespace {

using Vector = Eigen::RowVectorXd;

template <class T>
Vector vector(const std::vector<T>& values, std::size_t first, int size) {
  return Vector::NullaryExpr(size,
                             [&](Eigen::Index i) { return to_double(values.at(first + static_cast<std::size_t>(i))); });
}

/// Of one query over keys and values first ... last, given as functions of the token.
template <class Key, class Value>
Vector attend(const Vector& q, double scale, int first, int last, const Key& key, const Value& value) {
  Eigen::VectorXd scores(last - first + 1);
  for (int token = first; token <= last; ++token) {
    scores[token - first] = scale * q.dot(key(token));
  }
  Eigen::VectorXd shares = (scores.array() - scores.maxCoeff()).exp();
  shares /= shares.sum();
  Vector out = Vector::Zero(value(first).size());
  for (int token = first; token <= last; ++token) {
    out += shares[token - first] * value(token);
  }
  return out;
}

void append(std::vector<double>& to, const Vector& values) { to.insert(to.end(), values.begin(), values.end()); }

/// Rows of tokens; those that hold no token stay NaN.
template <class T>
std::vector<T> cache_of(const Paged& paged, int row_size, Random& random) {
  auto cache = poisoned<T>(paged.rows() * static_cast<std::size_t>(row_size));
  for (std::size_t sequence = 0; sequence < paged.contexts.size(); ++sequence) {
    for (int token = 0; token < paged.contexts[sequence]; ++token) {
      std::vector<T> row;
      if constexpr (sizeof(T) == 1) {
        row = random.fp8(static_cast<std::size_t>(row_size));
      } else {
        row = random.bf16(static_cast<std::size_t>(row_size));
      }
      std::copy(row.begin(), row.end(),
                cache.begin() + static_cast<std::ptrdiff_t>(paged.row(static_cast<int>(sequence), token) * row.size()));
    }
  }
  return cache;
}

struct DecodeCase {
  std::vector<int> contexts;
  int q_heads, kv_heads, head_dim, page_tokens, window, splits;
};

template <class T>
void check_decode(const DecodeCase& c, int seed) {
  SCOPED_TRACE(testing::Message() << "context " << c.contexts[0] << " heads " << c.q_heads << "/" << c.kv_heads
                                  << " head_dim " << c.head_dim << " page " << c.page_tokens << " window " << c.window
                                  << " splits " << c.splits << " seed " << seed << " bytes " << sizeof(T));
  Random random(static_cast<std::uint64_t>(c.contexts[0] + seed));
  const Paged paged(c.contexts, c.page_tokens, random);
  const int sequences = static_cast<int>(c.contexts.size()), row = c.kv_heads * c.head_dim;
  const double scale = 2 / std::sqrt(c.head_dim);
  const std::vector<Bf16> q = random.bf16(product({sequences, c.q_heads, c.head_dim}));
  const std::vector<T> k = cache_of<T>(paged, row, random), v = cache_of<T>(paged, row, random);
  auto out = poisoned<Bf16>(q.size());
  auto partial = poisoned<float>(product({sequences, c.q_heads, c.splits, c.head_dim + 2}));
  ASSERT_EQ(run(seed, DecodeAttentionWork{.kv_dtype = sizeof(T) == 1 ? DType::fp8 : DType::bf16,
                                          .sequences = sequences,
                                          .q_heads = c.q_heads,
                                          .kv_heads = c.kv_heads,
                                          .head_dim = c.head_dim,
                                          .page_tokens = c.page_tokens,
                                          .pages_per_sequence = paged.pages_per_sequence,
                                          .window = c.window,
                                          .splits = c.splits,
                                          .scale = static_cast<float>(scale),
                                          .q = q.data(),
                                          .k = k.data(),
                                          .v = v.data(),
                                          .page_table = paged.table.data(),
                                          .contexts = paged.contexts.data(),
                                          .partial = partial.data(),
                                          .out = out.data()})
                .text,
            "");
  std::vector<double> expected;
  for (int sequence = 0; sequence < sequences; ++sequence) {
    const int context = c.contexts[static_cast<std::size_t>(sequence)];
    const int first = c.window > 0 ? std::max(0, context - c.window) : 0;
    for (int head = 0; head < c.q_heads; ++head) {
      const auto of = [&](const std::vector<T>& cache) {
        return [&, head](int token) {
          const int kv_head = head / (c.q_heads / c.kv_heads);
          return vector(cache, paged.row(sequence, token) * product({row}) + product({kv_head, c.head_dim}),
                        c.head_dim);
        };
      };
      const Vector query = vector(q, product({sequence * c.q_heads + head, c.head_dim}), c.head_dim);
      append(expected, attend(query, scale, first, context - 1, of(k), of(v)));
    }
  }
  expect_close(out, expected, kBf16Tolerance, c.head_dim);
}

TEST(DecodeKernel, AgreesWithTheDefinitionUnderEverySchedule) {
  for (int seed = 0; seed <= kSeeds; ++seed) {
    const DecodeCase c{{290 - seed, 1, 64}, 6, 2, 64, 16, 0, 1 + seed % 3};
    check_decode<Bf16>(c, seed);
    check_decode<Fp8>(c, seed);
  }
}

TEST(DecodeKernel, AgreesForEveryShape) {
  const DecodeCase cases[] = {
      {{1}, 1, 1, 64, 16, 0, 1},         // one token
      {{1}, 1, 1, 128, 16, 0, 4},        // parts without tokens
      {{33, 200}, 3, 3, 128, 16, 0, 2},  // every head its own keys
      {{150}, 8, 1, 128, 7, 0, 3},       // one group; pages that are no power of two
      {{77}, 40, 2, 64, 64, 0, 2},       // a group larger than a block takes
      {{130, 9}, 17, 1, 128, 1, 0, 1},   // pages of one token
      {{90, 5}, 4, 2, 256, 16, 0, 1},   {{300}, 16, 1, 256, 32, 0, 5}, {{300, 40}, 4, 2, 64, 16, 50, 2},  // a window
      {{300, 40}, 4, 2, 128, 16, 1, 2}, {{64}, 4, 2, 128, 16, 64, 1},
  };
  for (const DecodeCase& c : cases) {
    check_decode<Bf16>(c, 1);
    check_decode<Fp8>(c, 2);
  }
}

TEST(DecodeKernel, AgreesForRandomShapes) {
  Random random(7);
  for (int i = 1; i <= 24; ++i) {
    std::vector<int> contexts(static_cast<std::size_t>(random.integer(1, 3)));
    for (int& context : contexts) {
      context = random.integer(1, 400);
    }
    const int kv_heads = random.integer(1, 3), window = random.integer(0, 1) * random.integer(1, 300);
    const DecodeCase c{contexts,
                       kv_heads * random.integer(1, 20),
                       kv_heads,
                       64 << random.integer(0, 2),
                       random.integer(1, 70),
                       window,
                       random.integer(1, 6)};
    if (i % 2 == 0) {
      check_decode<Bf16>(c, i);
    } else {
      check_decode<Fp8>(c, i);
    }
  }
}

TEST(DecodeKernel, TakesAContextOf100000) {
  check_decode<Bf16>({{100000}, 2, 1, 64, 64, 0, 7}, 0);
  check_decode<Fp8>({{100000}, 1, 1, 64, 64, 0, 1}, 0);
}

/// Scores that differ by hundreds: no share overflows, whatever comes first.
TEST(DecodeKernel, SoftmaxDoesNotOverflow) {
  for (const float largest : {40.0F, -40.0F}) {
    const std::vector<Bf16> q(64, to_bf16(1));
    std::vector<Bf16> k(std::size_t{100} * 64), v(k.size());
    for (std::size_t i = 0; i < k.size(); ++i) {
      k[i] = to_bf16(largest * (static_cast<float>(i / 64) / 50 - 1));
      v[i] = to_bf16(static_cast<float>(i / 64) + 1);
    }
    auto out = poisoned<Bf16>(64);
    const std::int32_t table[] = {0}, context[] = {100};
    ASSERT_TRUE(run(1, DecodeAttentionWork{.head_dim = 64,
                                           .page_tokens = 100,
                                           .q = q.data(),
                                           .k = k.data(),
                                           .v = v.data(),
                                           .page_table = table,
                                           .contexts = context,
                                           .out = out.data()})
                    .ok());
    expect_close(out, std::vector<double>(64, largest > 0 ? 100 : 1), kBf16Tolerance);
  }
}

TEST(DecodeKernel, RefusesWhatItCannotDo) {
  EXPECT_EQ(run(0, DecodeAttentionWork{.head_dim = 96}).text,
            "decode attention: head_dim 96; known are 64, 128 and 256");
  EXPECT_EQ(run(0, DecodeAttentionWork{.kv_dtype = DType::int8}).text,
            "decode attention: int8; known are bf16 and fp8");
  EXPECT_FALSE(run(0, DecodeAttentionWork{.q_heads = 3, .kv_heads = 2}).ok());
  EXPECT_FALSE(run(0, DecodeAttentionWork{.splits = 0}).ok());
}

void check_mla(const std::vector<int>& contexts, int heads, int page_tokens, int splits, int seed) {
  SCOPED_TRACE(testing::Message() << "context " << contexts[0] << " heads " << heads << " splits " << splits << " seed "
                                  << seed);
  Random random(static_cast<std::uint64_t>(contexts[0] + seed));
  const Paged paged(contexts, page_tokens, random);
  const int sequences = static_cast<int>(contexts.size()), row = kLatent + kRope;
  const double scale = 2 / std::sqrt(row);
  const std::vector<Bf16> q = random.bf16(product({sequences, heads, row})), cache = cache_of<Bf16>(paged, row, random);
  auto out = poisoned<Bf16>(product({sequences, heads, kLatent}));
  auto partial = poisoned<float>(product({sequences, heads, splits, kLatent + 2}));
  ASSERT_EQ(run(seed, MlaDecodeWork{.sequences = sequences,
                                    .heads = heads,
                                    .page_tokens = page_tokens,
                                    .pages_per_sequence = paged.pages_per_sequence,
                                    .splits = splits,
                                    .scale = static_cast<float>(scale),
                                    .q = q.data(),
                                    .cache = cache.data(),
                                    .page_table = paged.table.data(),
                                    .contexts = paged.contexts.data(),
                                    .partial = partial.data(),
                                    .out = out.data()})
                .text,
            "");
  std::vector<double> expected;
  for (int sequence = 0; sequence < sequences; ++sequence) {
    for (int head = 0; head < heads; ++head) {
      const auto first = [&](int token) { return paged.row(sequence, token) * product({row}); };
      append(expected, attend(
                           vector(q, product({sequence * heads + head, row}), row), scale, 0,
                           contexts[static_cast<std::size_t>(sequence)] - 1,
                           [&](int token) { return vector(cache, first(token), row); },
                           [&](int token) { return vector(cache, first(token), kLatent); }));
    }
  }
  expect_close(out, expected, kBf16Tolerance, kLatent);
}

TEST(MlaKernel, AgreesWithTheDefinition) {
  for (int seed = 0; seed <= kSeeds; ++seed) {
    check_mla({70 + seed, 1}, 5, 16, 1 + seed % 2, seed);
  }
  check_mla({1}, 1, 64, 1, 1);
  check_mla({40}, 16, 64, 3, 1);  // a part without tokens
  check_mla({100}, 33, 7, 2, 1);
  check_mla({65}, 64, 64, 1, 2);
  check_mla({33, 20}, 130, 64, 1, 3);  // more heads than a block takes
  Random random(7);
  for (int i = 1; i <= 6; ++i) {
    check_mla({random.integer(1, 200), random.integer(1, 200)}, random.integer(1, 80), random.integer(1, 70),
              random.integer(1, 4), i);
  }
  EXPECT_EQ(run(0, MlaDecodeWork{.latent = 256}).text, "MLA decode: latent 256, rope 64; known are 512 and 64");
  EXPECT_FALSE(run(0, MlaDecodeWork{.splits = 0}).ok());
}

void check_prefill(int sequences, int tokens, int q_heads, int kv_heads, int head_dim, int window, int seed) {
  SCOPED_TRACE(testing::Message() << tokens << " tokens, heads " << q_heads << "/" << kv_heads << " head_dim "
                                  << head_dim << " window " << window << " seed " << seed);
  Random random(static_cast<std::uint64_t>(tokens + seed));
  const double scale = 2 / std::sqrt(head_dim);
  const std::vector<Bf16> q = random.bf16(product({sequences, tokens, q_heads, head_dim}));
  const std::vector<Bf16> k = random.bf16(product({sequences, tokens, kv_heads, head_dim}));
  const std::vector<Bf16> v = random.bf16(k.size());
  auto out = poisoned<Bf16>(q.size());
  ASSERT_EQ(run(seed, PrefillAttentionWork{.sequences = sequences,
                                           .tokens = tokens,
                                           .q_heads = q_heads,
                                           .kv_heads = kv_heads,
                                           .head_dim = head_dim,
                                           .window = window,
                                           .scale = static_cast<float>(scale),
                                           .q = q.data(),
                                           .k = k.data(),
                                           .v = v.data(),
                                           .out = out.data()})
                .text,
            "");
  std::vector<double> expected;
  for (int i = 0; i < sequences * tokens; ++i) {
    const int token = i % tokens, first = window > 0 ? std::max(0, token - window + 1) : 0;
    for (int head = 0; head < q_heads; ++head) {
      const auto of = [&](const std::vector<Bf16>& values) {
        return [&, head](int other) {
          const int row = (i / tokens * tokens + other) * kv_heads + head / (q_heads / kv_heads);
          return vector(values, product({row, head_dim}), head_dim);
        };
      };
      append(expected,
             attend(vector(q, product({i * q_heads + head, head_dim}), head_dim), scale, first, token, of(k), of(v)));
    }
  }
  expect_close(out, expected, kBf16Tolerance, head_dim);
}

TEST(PrefillKernel, AgreesWithTheDefinition) {
  for (int seed = 0; seed <= kSeeds; ++seed) {
    check_prefill(1, 140 + seed, 2, 1, seed % 2 == 0 ? 64 : 128, 0, seed);
  }
  check_prefill(1, 1, 1, 1, 64, 0, 1);
  check_prefill(3, 1, 2, 2, 128, 0, 1);
  check_prefill(2, 65, 4, 2, 64, 0, 2);
  check_prefill(1, 128, 1, 1, 128, 0, 3);
  check_prefill(1, 300, 1, 1, 64, 70, 1);
  check_prefill(1, 300, 1, 1, 128, 1, 2);
  check_prefill(1, 260, 1, 1, 128, 200, 3);
  Random random(7);
  for (int i = 1; i <= 8; ++i) {
    const int kv_heads = random.integer(1, 2), window = random.integer(0, 1) * random.integer(1, 200);
    check_prefill(random.integer(1, 2), random.integer(1, 200), kv_heads * random.integer(1, 3), kv_heads,
                  64 << random.integer(0, 1), window, i);
  }
  EXPECT_EQ(run(0, PrefillAttentionWork{.head_dim = 256}).text,
            "prefill attention: head_dim 256; known are 64 and 128");
  EXPECT_FALSE(run(0, PrefillAttentionWork{.q_heads = 3, .kv_heads = 2}).ok());
}

void check_linear(int sequences, int heads, int head_dim, int seed) {
  SCOPED_TRACE(testing::Message() << heads << " heads, head_dim " << head_dim << " seed " << seed);
  Random random(static_cast<std::uint64_t>(heads + seed));
  const int all = sequences * heads;
  std::vector<float> decay(static_cast<std::size_t>(heads)), state(product({all, head_dim, head_dim}));
  for (float& value : decay) {
    value = random.number(0.5F, 1);
  }
  for (float& value : state) {
    value = random.number();
  }
  const std::vector<Bf16> q = random.bf16(product({all, head_dim})), k = random.bf16(q.size()),
                          v = random.bf16(q.size());
  std::vector<double> expected_state, expected;
  for (int head = 0; head < all; ++head) {
    using Square = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
    const std::size_t first = product({head, head_dim});
    const Vector before = vector(state, first * static_cast<std::size_t>(head_dim), head_dim * head_dim);
    Square s = Eigen::Map<const Square>(before.data(), head_dim, head_dim);
    s *= double{decay[static_cast<std::size_t>(head % heads)]};
    s += vector(k, first, head_dim).transpose() * vector(v, first, head_dim);
    expected_state.insert(expected_state.end(), s.data(), s.data() + s.size());
    append(expected, vector(q, first, head_dim) * s);
  }
  auto out = poisoned<Bf16>(q.size());
  ASSERT_TRUE(run(seed, LinearAttentionWork{.sequences = sequences,
                                            .heads = heads,
                                            .head_dim = head_dim,
                                            .decay = decay.data(),
                                            .q = q.data(),
                                            .k = k.data(),
                                            .v = v.data(),
                                            .state = state.data(),
                                            .out = out.data()})
                  .ok());
  expect_close(state, expected_state, kFp32Tolerance);
  expect_close(out, expected, kBf16Tolerance, head_dim);
}

TEST(LinearKernel, AgreesWithTheDefinition) {
  for (int seed = 0; seed <= kSeeds; ++seed) {
    check_linear(2, 3, seed % 2 == 0 ? 64 : 128, seed);
  }
  check_linear(1, 1, 64, 1);
  EXPECT_EQ(run(0, LinearAttentionWork{.head_dim = 32}).text, "linear attention: head_dim 32; known are 64 and 128");
}

}  // namespace
}  // namespace moesaic::cuda
