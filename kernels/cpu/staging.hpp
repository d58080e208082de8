// Weights on their way to an accelerator: copied piece by piece from where they lie into a staging buffer, as programs
// do that stream a model's layers through pinned memory.
#pragma once

#include <cstdint>

#include "base/quantity.hpp"
#include "kernels/cpu/buffer.hpp"

namespace moesaic::cpu {

class StagingCopy {
 public:
  /// `weights` in all, in pieces of `piece`, of which each run copies the next. Throws std::bad_alloc.
  StagingCopy(Bytes weights, Bytes piece, const Threads& threads);
  void run();
  /// What one run reads, and writes as much.
  Bytes piece() const;
  /// Sum of the words in the staging buffer, and what it would be for piece `index` of the weights.
  std::uint64_t staged() const;
  std::uint64_t expected(std::size_t index) const;
  /// Of the last run.
  std::size_t index() const { return index_; }

 private:
  Threads threads_;
  std::size_t words_ = 0;  ///< of a piece
  std::size_t pieces_ = 0;
  std::size_t index_ = 0;
  bool begun_ = false;
  Buffer<std::uint64_t> weights_, staging_;
};

}  // namespace moesaic::cpu
