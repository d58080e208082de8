#include "kernels/cpu/attention.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <random>

#include "base/error.hpp"
#include "kernels/cpu/buffer.hpp"
#include "kernels/cpu/vector_kernels.hpp"

namespace moesaic::cpu {
namespace {

float cached_value(float value) { return value; }
float cached_value(Bf16 value) { return to_float(value); }

}  // namespace

struct DecodeAttention::Impl {
  Impl(const DecodeShape& s, int copy_count, const Threads& t, Instructions set)
      : shape(s), threads(t), instructions(set), copies(copy_count) {
    MOESAIC_ASSERT(s.context >= 1 && s.q_heads % s.kv_heads == 0 && s.head_dim % 2 == 0 && copy_count >= 1);
    pages = (s.context + kPageTokens - 1) / kPageTokens;
    page_of.resize(static_cast<std::size_t>(copies) * static_cast<std::size_t>(s.sequences) *
                   static_cast<std::size_t>(pages));
    std::iota(page_of.begin(), page_of.end(), std::size_t{0});
    std::shuffle(page_of.begin(), page_of.end(), std::mt19937_64(1));
    queries = Buffer<float>(static_cast<std::size_t>(copies) * output_size());
    queries.fill(t, [](std::size_t i) { return small_number(i); });
    output.assign(output_size(), std::numeric_limits<float>::quiet_NaN());  // until it is computed
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
    const int slot = token % kPageTokens;
    const int row = is_key ? i : slot, column = is_key ? slot : i, width = is_key ? kPageTokens : shape.head_dim;
    const int at = element_bytes == 2 ? row / 2 * 2 * width + 2 * column + row % 2 : row * width + column;
    return cached(is_key, place(of_copy, sequence, token / kPageTokens, kv_head) + static_cast<std::size_t>(at));
  }

  DecodeShape shape;
  Threads threads;
  Instructions instructions;
  int copies;
  int pages = 0;  ///< of one sequence
  int copy = -1;
  std::size_t element_bytes = 4;
  std::vector<std::size_t> page_of;
  Buffer<float> queries;
  std::vector<float> output;
};

namespace {

template <class T>
struct Cache final : DecodeAttention::Impl {
  Cache(const DecodeShape& s, int copy_count, const Threads& t, Instructions set)
      : Impl(s, copy_count, t, set), keys(cache_size()), values(cache_size()) {
    element_bytes = sizeof(T);
    static_assert(kPageTokens == kPageLanes);
    const auto element_of = [](std::uint64_t i) {
      if constexpr (std::is_same_v<T, Bf16>) {
        return to_bf16(small_number(i));
      } else {
        return small_number(i);
      }
    };
    keys.fill(t, [&](std::size_t e) { return element_of(2 * e + 1); });
    values.fill(t, [&](std::size_t e) { return element_of(2 * e); });
  }

  void heads(int sequence, int kv_head) override {
    const int group = shape.q_heads / shape.kv_heads;
    std::vector<std::size_t> places(static_cast<std::size_t>(pages));
    for (int page = 0; page < pages; ++page) {
      places[static_cast<std::size_t>(page)] = place(copy, sequence, page, kv_head);
    }
    std::vector<float> state(static_cast<std::size_t>(group) * (kPageLanes + 1));
    const std::size_t first = head_offset(sequence, kv_head * group);
    const PagedHeads<T> of{.query = queries.data() + static_cast<std::size_t>(copy) * output_size() + first,
                           .keys = keys.data(),
                           .values = values.data(),
                           .pages = places.data(),
                           .page_count = pages,
                           .context = shape.context,
                           .heads = group,
                           .dim = shape.head_dim,
                           .scale = 1 / std::sqrt(static_cast<float>(shape.head_dim)),
                           .state = state.data(),
                           .output = output.data() + first};
    if constexpr (std::is_same_v<T, Bf16>) {
      vector_kernels(instructions).attend_bf16(of);
    } else {
      vector_kernels(instructions).attend_fp32(of);
    }
  }

  float cached(bool is_key, std::size_t element) const override {
    return cached_value((is_key ? keys : values)[element]);
  }

  Buffer<T> keys, values;
};

}  // namespace

DecodeAttention::DecodeAttention(const DecodeShape& shape, DType storage, int copies, const Threads& threads,
                                 Instructions instructions) {
  MOESAIC_ASSERT(storage == DType::bf16 || storage == DType::fp32);
  if (storage == DType::bf16) {
    impl_ = std::make_unique<Cache<Bf16>>(shape, copies, threads, instructions);
  } else {
    impl_ = std::make_unique<Cache<float>>(shape, copies, threads, instructions);
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
  return {2 * static_cast<double>(impl_->cache_size() * impl_->element_bytes) / impl_->copies};
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
