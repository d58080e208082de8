// Private to sim: loops over more things than one thread should go through alone.
#pragma once

#include <cstddef>
#include <functional>

namespace moesaic {

/// Calls `body(begin, end)` for ranges that cover 0 to count, on several threads where that pays: a body may write only
/// what belongs to its range, or what does not depend on the order of ranges.
void for_ranges(std::size_t count, const std::function<void(std::size_t begin, std::size_t end)>& body);

}  // namespace moesaic
