#include <algorithm>
#include <cstddef>
#include <utility>

#include "model/architecture.hpp"

namespace moesaic {
namespace {

constexpr std::size_t kLongestPeriod = 64;  // layers of one block; longer patterns are written down as several blocks

// The best way to write down the first layers: kinds written, then blocks, compared in that order.
struct Cost {
  std::size_t kinds = 0;
  std::size_t blocks = 0;
  auto operator<=>(const Cost&) const = default;
};

// A block that ends at some layer: where it begins, and the cost of everything before it.
struct Ending {
  Cost before;
  std::size_t begin = 0;
  auto operator<=>(const Ending&) const = default;
};

struct FoldStep {
  Cost cost;
  std::size_t begin = 0;
  std::size_t period = 1;
};

}  // namespace

// Dynamic programming over prefixes: a block of period p that ends at layer n either begins at n - p, or extends a
// block of the same period that ends at n - p, if the two periods are equal.
std::vector<LayerBlock> fold_layers(const std::vector<int>& layers) {
  const std::size_t count = layers.size();
  const std::size_t longest = std::min(count, kLongestPeriod);
  std::vector<FoldStep> best(count + 1);
  std::vector<std::vector<Ending>> endings(longest + 1, std::vector<Ending>(count + 1));
  std::vector<std::size_t> equal_run(longest + 1, 0);  // latest layers that equal those one period before
  for (std::size_t end = 1; end <= count; ++end) {
    bool found = false;
    for (std::size_t period = 1; period <= std::min(longest, end); ++period) {
      const std::size_t previous = end - period;
      const bool equal = previous > 0 && layers[end - 1] == layers[previous - 1];
      equal_run[period] = equal ? equal_run[period] + 1 : 0;
      Ending ending{best[previous].cost, previous};
      if (equal_run[period] >= period) {
        ending = std::min(ending, endings[period][previous]);
      }
      endings[period][end] = ending;
      const Cost cost{ending.before.kinds + period, ending.before.blocks + 1};
      if (!found || cost < best[end].cost) {
        best[end] = {cost, ending.begin, period};
        found = true;
      }
    }
  }
  std::vector<LayerBlock> blocks;
  for (std::size_t end = count; end > 0; end = best[end].begin) {
    const FoldStep& step = best[end];
    const auto first = layers.begin() + static_cast<std::ptrdiff_t>(step.begin);
    blocks.push_back({{first, first + static_cast<std::ptrdiff_t>(step.period)},
                      static_cast<std::int64_t>((end - step.begin) / step.period)});
  }
  std::reverse(blocks.begin(), blocks.end());
  return blocks;
}

}  // namespace moesaic
