#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

#include "model/architecture.hpp"
#include "tests/model/model_texts.hpp"

namespace moesaic {
namespace {

using Blocks = std::vector<std::pair<std::vector<int>, std::int64_t>>;

Blocks pairs(const std::vector<LayerBlock>& blocks) {
  Blocks result;
  for (const LayerBlock& block : blocks) {
    result.emplace_back(block.kinds, block.repeats);
  }
  return result;
}

TEST(FoldLayers, Presets) {
  EXPECT_EQ(pairs(preset("DeepSeek-V3").blocks), (Blocks{{{0}, 3}, {{1}, 58}}));
  EXPECT_EQ(pairs(preset("gpt-oss-20b").blocks), (Blocks{{{0, 1}, 12}}));
  EXPECT_EQ(pairs(preset("MiniMax-M1").blocks), (Blocks{{{0, 0, 0, 0, 0, 0, 0, 1}, 10}}));
  EXPECT_EQ(pairs(preset("Qwen3-Next").blocks), (Blocks{{{0, 0, 0, 1}, 12}}));
  EXPECT_EQ(pairs(preset("Scout").blocks), (Blocks{{{0, 0, 0, 1}, 12}}));
  EXPECT_EQ(pairs(preset("Maverick").blocks), (Blocks{{{0, 1, 0, 2}, 12}}));
  EXPECT_EQ(pairs(preset("GLaM").blocks), (Blocks{{{0, 1}, 32}}));
  EXPECT_EQ(pairs(preset("Mixtral-8x7B").blocks), (Blocks{{{0}, 32}}));
}

TEST(FoldLayers, Sequences) {
  EXPECT_TRUE(fold_layers({}).empty());
  EXPECT_EQ(pairs(fold_layers({0})), (Blocks{{{0}, 1}}));
  EXPECT_EQ(pairs(fold_layers({0, 1, 2})), (Blocks{{{0, 1, 2}, 1}}));
  EXPECT_EQ(pairs(fold_layers({0, 1, 0, 1, 0})), (Blocks{{{0, 1}, 2}, {{0}, 1}}));
  EXPECT_EQ(pairs(fold_layers({0, 0, 1, 2, 1, 2})), (Blocks{{{0}, 2}, {{1, 2}, 2}}));
}

// The fewest kinds that any division of `layers` from `begin` into repeating blocks writes down.
std::size_t fewest_kinds(const std::vector<int>& layers, std::size_t begin, std::map<std::size_t, std::size_t>& known) {
  if (begin == layers.size()) {
    return 0;
  }
  if (const auto found = known.find(begin); found != known.end()) {
    return found->second;
  }
  std::size_t best = layers.size();
  for (std::size_t period = 1; begin + period <= layers.size(); ++period) {
    for (std::size_t end = begin + period; end <= layers.size(); end += period) {
      bool repeats = true;
      for (std::size_t i = begin + period; i < end; ++i) {
        repeats = repeats && layers[i] == layers[i - period];
      }
      if (repeats) {
        best = std::min(best, period + fewest_kinds(layers, end, known));
      }
    }
  }
  return known[begin] = best;
}

TEST(FoldLayers, AlwaysTheFewestKindsInTheSameOrder) {
  for (unsigned bits = 0; bits < 1u << 12; ++bits) {
    std::vector<int> layers;
    for (unsigned i = 0; i < 4 + bits % 9; ++i) {
      layers.push_back(static_cast<int>(bits >> i & 1));
    }
    std::vector<int> unfolded;
    std::size_t kinds = 0;
    for (const LayerBlock& block : fold_layers(layers)) {
      kinds += block.kinds.size();
      for (std::int64_t repeat = 0; repeat < block.repeats; ++repeat) {
        unfolded.insert(unfolded.end(), block.kinds.begin(), block.kinds.end());
      }
    }
    std::map<std::size_t, std::size_t> known;
    ASSERT_EQ(unfolded, layers) << bits;
    ASSERT_EQ(kinds, fewest_kinds(layers, 0, known)) << bits;
  }
}

TEST(FoldLayers, LongSequencesStayCheap) {
  std::vector<int> layers(10'000, 0);
  EXPECT_EQ(pairs(fold_layers(layers)), (Blocks{{{0}, 10'000}}));
  layers[5000] = 1;
  EXPECT_EQ(pairs(fold_layers(layers)), (Blocks{{{0}, 5000}, {{1}, 1}, {{0}, 4999}}));
}

}  // namespace
}  // namespace moesaic
