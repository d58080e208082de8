// What of a step runs beside its communication.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace moesaic {

enum class OverlapKind : std::uint8_t {
  none,
  shared,     ///< shared experts beside the dispatch to the routed ones
  two_batch,  ///< besides, two halves of the batch: one computes while the other's tokens travel (2412.19437 section
              ///< 3.4, 2505.09343 section 2.3.1)
  chunks      ///< besides, dispatch, experts and combine in chunks, one behind the other (Tutel 2206.03382, FSMoE)
};

struct Overlap {
  OverlapKind kind = OverlapKind::none;
  int chunks = 1;
  bool operator==(const Overlap&) const = default;
};
inline constexpr int kMostChunks = 16;

/// "none", "shared", "two-batch" or "chunks=R" with R from 2 to kMostChunks. Throws UserError with the nearest name.
Overlap parse_overlap(std::string_view text);
std::string to_text(const Overlap& overlap);

}  // namespace moesaic
