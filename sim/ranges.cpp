#include "sim/ranges.hpp"

#include <tbb/blocked_range.h>
#include <tbb/parallel_for.h>

namespace moesaic {
namespace {

constexpr std::size_t kRange =
    1 << 15;  // things of a few nanoseconds each: far above what starting a thread's work costs

}  // namespace

void for_ranges(std::size_t count, const std::function<void(std::size_t begin, std::size_t end)>& body) {
  if (count <= kRange) {
    body(0, count);
    return;
  }
  tbb::parallel_for(tbb::blocked_range<std::size_t>(0, count, kRange),
                    [&](const auto& range) { body(range.begin(), range.end()); });
}

}  // namespace moesaic
