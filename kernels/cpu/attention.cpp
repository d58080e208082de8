#include "kernels/cpu/attention.hpp"

#include <cmath>
#include <limits>
#include <numeric>
#include <random>
#include <stdexcept>

#include "base/error.hpp"
#include "kernels/cpu/buffer.hpp"
#include "kernels/cpu/exponential.hpp"
#include "kernels/cpu/vector_clones.hpp"

namespace moesaic::cpu {
namespace {

[[gnu::always_inline]] inline float wide(float value) { return value; }
[[gnu::always_inline]] inline float wide(Bf16 value) { return to_float(value); }

/// The softmax so far of one query head: it goes on page by page without knowing the greatest score in advance.
struct Online {
  float greatest = -std::numeric_limits<float>::infinity();
  float sum = 0;
};

/// One head and one page of keys and values, [kPageTokens][dim] each: adds to the output, which is divided by the sum
/// at the very end. Four tokens at a time, whose sums do not wait for each other; what lies behind the last token of a
/// page gets no weight.
template <class T>
[[gnu::always_inline]] inline void attend(const float* query, const T* keys, const T* values, int tokens, int dim,
                                          float scale, Online& state, float* output) {
  static_assert(kPageTokens % 4 == 0);
  float weights[kPageTokens];
  for (int t = 0; t < kPageTokens; t += 4) {
    const T *k0 = keys + static_cast<std::ptrdiff_t>(t) * dim, *k1 = k0 + dim, *k2 = k1 + dim, *k3 = k2 + dim;
    float s0 = 0, s1 = 0, s2 = 0, s3 = 0;
#pragma omp simd reduction(+ : s0, s1, s2, s3)
    for (int i = 0; i < dim; ++i) {
      s0 += query[i] * wide(k0[i]);
      s1 += query[i] * wide(k1[i]);
      s2 += query[i] * wide(k2[i]);
      s3 += query[i] * wide(k3[i]);
    }
    weights[t] = s0, weights[t + 1] = s1, weights[t + 2] = s2, weights[t + 3] = s3;
  }
  float greatest = state.greatest;
  for (int t = 0; t < kPageTokens; ++t) {
    weights[t] = t < tokens ? weights[t] * scale : -std::numeric_limits<float>::infinity();
    greatest = weights[t] > greatest ? weights[t] : greatest;
  }
  const float shrink = exponential(state.greatest - greatest);
  float sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int t = 0; t < kPageTokens; ++t) {  // NOLINT(modernize-loop-convert): what a pragma vectorises counts
    weights[t] = exponential(weights[t] - greatest);
    sum += weights[t];
  }
  state = {greatest, state.sum * shrink + sum};
#pragma omp simd
  for (int i = 0; i < dim; ++i) {
    output[i] *= shrink;
  }
  for (int t = 0; t < kPageTokens; t += 4) {
    const T *v0 = values + static_cast<std::ptrdiff_t>(t) * dim, *v1 = v0 + dim, *v2 = v1 + dim, *v3 = v2 + dim;
    const float w0 = weights[t], w1 = weights[t + 1], w2 = weights[t + 2], w3 = weights[t + 3];
#pragma omp simd
    for (int i = 0; i < dim; ++i) {
      output[i] += (w0 * wide(v0[i]) + w1 * wide(v1[i])) + (w2 * wide(v2[i]) + w3 * wide(v3[i]));
    }
  }
}

MOESAIC_VECTOR_CLONES void attend_page(const float* query, const float* keys, const float* values, int tokens, int dim,
                                       float scale, Online& state, float* output) {
  attend(query, keys, values, tokens, dim, scale, state, output);
}
MOESAIC_VECTOR_CLONES void attend_page(const float* query, const Bf16* keys, const Bf16* values, int tokens, int dim,
                                       float scale, Online& state, float* output) {
  attend(query, keys, values, tokens, dim, scale, state, output);
}

}  // namespace

struct DecodeAttention::Impl {
  Impl(const DecodeShape& s, int copy_count, const Threads& t) : shape(s), threads(t), copies(copy_count) {
    MOESAIC_ASSERT(s.context >= 1 && s.q_heads % s.kv_heads == 0 && copy_count >= 1);
    pages = (s.context + kPageTokens - 1) / kPageTokens;
    page_of.resize(static_cast<std::size_t>(copies) * static_cast<std::size_t>(s.sequences) *
                   static_cast<std::size_t>(pages));
    std::iota(page_of.begin(), page_of.end(), std::size_t{0});
    std::shuffle(page_of.begin(), page_of.end(), std::mt19937_64(1));
    queries = Buffer<float>(static_cast<std::size_t>(copies) * output_size());
    queries.fill(t, [](std::size_t i) { return small_number(i); });
    output.resize(output_size());
  }
  virtual ~Impl() = default;
  virtual void heads(int sequence, int kv_head) = 0;
  virtual float cached(bool is_key, std::size_t element) const = 0;

  std::size_t output_size() const {
    return static_cast<std::size_t>(shape.sequences) * static_cast<std::size_t>(shape.q_heads) *
           static_cast<std::size_t>(shape.head_dim);
  }
  /// Elements of one KV head's share of a page; a page holds the heads one behind the other.
  std::size_t share() const { return static_cast<std::size_t>(kPageTokens) * static_cast<std::size_t>(shape.head_dim); }
  std::size_t cache_size() const { return page_of.size() * share() * static_cast<std::size_t>(shape.kv_heads); }
  /// Where the first token of a page lies in the cache.
  std::size_t place(int of_copy, int sequence, int page, int kv_head) const {
    const std::size_t index = (static_cast<std::size_t>(of_copy) * static_cast<std::size_t>(shape.sequences) +
                               static_cast<std::size_t>(sequence)) *
                                  static_cast<std::size_t>(pages) +
                              static_cast<std::size_t>(page);
    return (page_of[index] * static_cast<std::size_t>(shape.kv_heads) + static_cast<std::size_t>(kv_head)) * share();
  }
  std::size_t head_offset(int sequence, int q_head) const {
    return (static_cast<std::size_t>(sequence) * static_cast<std::size_t>(shape.q_heads) +
            static_cast<std::size_t>(q_head)) *
           static_cast<std::size_t>(shape.head_dim);
  }
  float element(bool is_key, int of_copy, int sequence, int token, int kv_head, int i) const {
    return cached(is_key, place(of_copy, sequence, token / kPageTokens, kv_head) +
                              static_cast<std::size_t>(token % kPageTokens) * static_cast<std::size_t>(shape.head_dim) +
                              static_cast<std::size_t>(i));
  }

  DecodeShape shape;
  Threads threads;
  int copies;
  int pages = 0;  ///< of one sequence
  int copy = -1;
  double element_bytes = 4;
  std::vector<std::size_t> page_of;
  Buffer<float> queries;
  std::vector<float> output;
};

namespace {

template <class T>
struct Cache final : DecodeAttention::Impl {
  Cache(const DecodeShape& s, int copy_count, const Threads& t)
      : Impl(s, copy_count, t), keys(cache_size()), values(cache_size()) {
    element_bytes = sizeof(T);
    const auto element_of = [](std::uint64_t i) {
      if constexpr (std::is_same_v<T, Bf16>) {
        return to_bf16(small_number(i));
      } else {
        return small_number(i);
      }
    };
    keys.fill(t, [&](std::size_t i) { return element_of(2 * i + 1); });
    values.fill(t, [&](std::size_t i) { return element_of(2 * i); });
  }

  void heads(int sequence, int kv_head) override {
    const int group = shape.q_heads / shape.kv_heads, first = kv_head * group, dim = shape.head_dim;
    const float scale = 1 / std::sqrt(static_cast<float>(dim));
    const float* query = queries.data() + static_cast<std::size_t>(copy) * output_size() + head_offset(sequence, first);
    float* out = output.data() + head_offset(sequence, first);
    std::vector<Online> states(static_cast<std::size_t>(group));
    std::fill_n(out, group * dim, 0.0F);
    for (int page = 0; page < pages; ++page) {
      const std::size_t at = place(copy, sequence, page, kv_head);
      const int tokens = std::min(kPageTokens, shape.context - page * kPageTokens);
      for (int head = 0; head < group; ++head) {  // a page is read from memory once and then from the cache
        const std::ptrdiff_t offset = std::ptrdiff_t{head} * dim;
        attend_page(query + offset, keys.data() + at, values.data() + at, tokens, dim, scale,
                    states[static_cast<std::size_t>(head)], out + offset);
      }
    }
    for (int i = 0; i < group * dim; ++i) {
      out[i] /= states[static_cast<std::size_t>(i / dim)].sum;
    }
  }

  float cached(bool is_key, std::size_t element) const override { return wide((is_key ? keys : values)[element]); }

  Buffer<T> keys, values;
};

}  // namespace

DecodeAttention::DecodeAttention(const DecodeShape& shape, DType storage, int copies, const Threads& threads) {
  MOESAIC_ASSERT(storage == DType::bf16 || storage == DType::fp32);
  if (storage == DType::bf16) {
    impl_ = std::make_unique<Cache<Bf16>>(shape, copies, threads);
  } else {
    impl_ = std::make_unique<Cache<float>>(shape, copies, threads);
  }
}
DecodeAttention::~DecodeAttention() = default;

void DecodeAttention::run() {
  impl_->copy = (impl_->copy + 1) % impl_->copies;
  const int kv_heads = impl_->shape.kv_heads;
  impl_->threads.balanced(impl_->shape.sequences * kv_heads,
                          [&](int task) { impl_->heads(task / kv_heads, task % kv_heads); });
}

const std::vector<float>& DecodeAttention::output() const { return impl_->output; }
int DecodeAttention::copy() const { return impl_->copy; }
Bytes DecodeAttention::cache_bytes() const {
  return {2 * static_cast<double>(impl_->cache_size()) * impl_->element_bytes / impl_->copies};
}

float DecodeAttention::query(int copy, int sequence, int q_head, int i) const {
  return impl_->queries[static_cast<std::size_t>(copy) * impl_->output_size() + impl_->head_offset(sequence, q_head) +
                        static_cast<std::size_t>(i)];
}
float DecodeAttention::key(int copy, int sequence, int token, int kv_head, int i) const {
  return impl_->element(true, copy, sequence, token, kv_head, i);
}
float DecodeAttention::value(int copy, int sequence, int token, int kv_head, int i) const {
  return impl_->element(false, copy, sequence, token, kv_head, i);
}

}  // namespace moesaic::cpu
