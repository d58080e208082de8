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
/// Swaps items between the heaviest pack and another while that makes the heavier of the two lighter.
void even_out(std::vector<Indices>& packs, std::span<const double> weights);

}  // namespace moesaic
