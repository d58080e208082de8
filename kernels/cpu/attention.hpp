// Decode attention over a paged KV cache: one new token of each sequence reads all keys and values before it.
#pragma once

#include <memory>
#include <vector>

#include "base/dtype.hpp"
#include "base/quantity.hpp"
#include "kernels/cpu/instructions.hpp"
#include "kernels/cpu/threads.hpp"

namespace moesaic::cpu {

inline constexpr int kPageTokens = 16;

struct DecodeShape {
  int sequences = 1;
  int context = 1;  ///< tokens in the cache, of every sequence
  int q_heads = 1;  ///< a multiple of kv_heads: the heads of a group read the same keys
  int kv_heads = 1;
  int head_dim = 128;  ///< even
};

/// The cache and the queries of one layer, in `copies` that runs use in turn. Pages lie in memory in random order, as
/// in a server that has been running for a while.
class DecodeAttention {
 public:
  /// storage: of keys and values, bf16 or fp32; arithmetic is in fp32. Throws std::bad_alloc.
  DecodeAttention(const DecodeShape& shape, DType storage, int copies, const Threads& threads,
                  Instructions instructions = best_instructions());
  ~DecodeAttention();

  /// Threads share the pairs of a sequence and a KV head.
  void run();
  /// Of the last run: [sequence][q_head][head_dim], and the copy it used.
  const std::vector<float>& output() const;
  int copy() const;

  Bytes cache_bytes() const;  ///< of one copy
  /// Elements as they are stored.
  float query(int copy, int sequence, int q_head, int i) const;
  float key(int copy, int sequence, int token, int kv_head, int i) const;
  float value(int copy, int sequence, int token, int kv_head, int i) const;

  struct Impl;

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace moesaic::cpu
