#include "model/pipeline_stages.hpp"

#include <algorithm>
#include <cstddef>

namespace moesaic {

std::vector<PipelineStage> pipeline_stages(const Architecture& architecture, int stages) {
  const auto layers = static_cast<std::ptrdiff_t>(architecture.layers.size());
  const std::ptrdiff_t each = layers / stages, rest = layers % stages;
  std::vector<PipelineStage> distinct;
  std::vector<std::vector<int>> kinds_of;
  std::ptrdiff_t begin = 0;
  for (int i = 0; i < stages; ++i) {
    const bool first = i == 0, last = i + 1 == stages;
    const std::ptrdiff_t count = each + (!last && stages - 2 - i < rest ? 1 : 0);
    const std::vector<int> kinds(architecture.layers.begin() + begin, architecture.layers.begin() + begin + count);
    begin += count;
    std::size_t same = 0;
    while (same < distinct.size() &&
           !(distinct[same].first == first && distinct[same].last == last && kinds_of[same] == kinds)) {
      ++same;
    }
    if (same < distinct.size()) {
      ++distinct[same].alike;
      continue;
    }
    PipelineStage stage{std::vector<std::int64_t>(architecture.kinds.size()), fold_layers(kinds), first, last, 1};
    for (const int kind : kinds) {
      ++stage.layers_of_kind[static_cast<std::size_t>(kind)];
    }
    distinct.push_back(std::move(stage));
    kinds_of.push_back(kinds);
  }
  return distinct;
}

}  // namespace moesaic
