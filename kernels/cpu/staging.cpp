#include "kernels/cpu/staging.hpp"

#include <algorithm>
#include <cstring>
#include <numeric>

namespace moesaic::cpu {
namespace {

/// Of one thread, before it takes the next: small enough that threads of different speed end together.
constexpr std::size_t kPart = 32768;  // words

}  // namespace

StagingCopy::StagingCopy(Bytes weights, Bytes piece, const Threads& threads) : threads_(threads) {
  words_ = std::max<std::size_t>(1, static_cast<std::size_t>(piece.value) / sizeof(std::uint64_t));
  pieces_ = std::max<std::size_t>(1, static_cast<std::size_t>(weights.value) / sizeof(std::uint64_t) / words_);
  weights_ = Buffer<std::uint64_t>(words_ * pieces_);
  weights_.fill(threads, [](std::size_t i) { return mix(i); });
  staging_ = Buffer<std::uint64_t>(words_);
  staging_.fill(threads, [](std::size_t) { return 0; });
}

void StagingCopy::run() {
  index_ = begun_ ? (index_ + 1) % pieces_ : 0;
  begun_ = true;
  const std::uint64_t* from = weights_.data() + index_ * words_;
  threads_.balanced(static_cast<int>((words_ + kPart - 1) / kPart), [&](int part) {
    const std::size_t begin = static_cast<std::size_t>(part) * kPart;
    std::memcpy(staging_.data() + begin, from + begin, std::min(kPart, words_ - begin) * sizeof(std::uint64_t));
  });
}

Bytes StagingCopy::piece() const { return {static_cast<double>(words_ * sizeof(std::uint64_t))}; }

std::uint64_t StagingCopy::staged() const {
  return std::accumulate(staging_.view().begin(), staging_.view().end(), std::uint64_t{0});
}

std::uint64_t StagingCopy::expected(std::size_t index) const {
  std::uint64_t sum = 0;
  for (std::size_t i = index * words_; i < (index + 1) * words_; ++i) {
    sum += mix(i);
  }
  return sum;
}

}  // namespace moesaic::cpu
