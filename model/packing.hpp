// Packing weighted items evenly into packs of equally many.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace moesaic {

using Indices = std::vector<std::size_t>;

/// Item numbers, the heaviest first; equal ones in their order.
Indices heaviest_first(std::span<const double> weights);
/// The heaviest item left goes to the lightest pack that has room. `packs` divides the number of items.
std::vector<Indices> pack(std::span<const double> weights, std::size_t packs);

}  // namespace moesaic
