// Private to model: random numbers as functions of what they are for (Random123 Philox).
#pragma once

#include <Random123/philox.h>

#include <cmath>
#include <cstddef>
#include <cstdint>

namespace moesaic {

/// Random words of one token: each a function of (seed, trial, token, draw).
class Draws {
 public:
  Draws(std::uint64_t seed, std::uint32_t trial, std::uint32_t token)
      : key_{{static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32)}},
        trial_(trial),
        token_(token) {}

  std::uint32_t word() {
    if (next_ % 4 == 0) {
      block_ = r123::Philox4x32()({{next_ / 4, token_, trial_, 0}}, key_);
    }
    return block_[next_++ % 4];
  }
  /// In [0, bound).
  std::size_t below(std::size_t bound) { return static_cast<std::size_t>((std::uint64_t{word()} * bound) >> 32); }
  /// Mean 1.
  double exponential() { return -std::log((word() + 0.5) * 0x1p-32); }

 private:
  r123::Philox4x32::key_type key_;
  r123::Philox4x32::ctr_type block_{};
  std::uint32_t trial_, token_, next_ = 0;
};

}  // namespace moesaic
