#include "calibrate/boosted_trees.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/error.hpp"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace moesaic {
namespace {

float sum_of_leaves(const BoostedTrees& trees, const FeatureRow& row) {
  float sum = 0;
  for (std::size_t t = 0; t < trees.splits.size(); ++t) {
    const TreeSplits& split = trees.splits[t];
    std::uint32_t leaf = 0;
    for (std::size_t i = 0; i < kTreeDepth; ++i) {
      leaf |= static_cast<std::uint32_t>(row[static_cast<std::size_t>(split.feature[i])] > split.threshold[i]) << i;
    }
    sum += trees.leaves[trees.first_leaf[t] + leaf];
  }
  return sum;
}

#if defined(__x86_64__)
/// The same sums in the same order, one comparison of eight floats a tree.
__attribute__((target("avx2"))) float sum_of_leaves_avx2(const BoostedTrees& trees, const FeatureRow& row) {
  const __m256 low = _mm256_loadu_ps(row.data()), high = _mm256_loadu_ps(row.data() + 8);
  const std::size_t count = trees.splits.size();
  const TreeSplits* split = trees.splits.data();
  const std::uint32_t* first = trees.first_leaf.data();
  const float* leaves = trees.leaves.data();
  float sum = 0;
  for (std::size_t t = 0; t < count; ++t) {
    const __m256i feature = _mm256_load_si256(reinterpret_cast<const __m256i*>(split[t].feature.data()));
    const __m256 threshold = _mm256_load_ps(split[t].threshold.data());
    // Bit 3 of the index, moved to the sign bit, chooses between the two halves of the row.
    const __m256 is_high = _mm256_castsi256_ps(_mm256_slli_epi32(feature, 28));
    const __m256 value =
        _mm256_blendv_ps(_mm256_permutevar8x32_ps(low, feature), _mm256_permutevar8x32_ps(high, feature), is_high);
    const int leaf = _mm256_movemask_ps(_mm256_cmp_ps(value, threshold, _CMP_GT_OQ));
    sum += leaves[first[t] + static_cast<std::uint32_t>(leaf)];
  }
  return sum;
}
#endif

}  // namespace

float BoostedTrees::operator()(const FeatureRow& row) const {
#if defined(__x86_64__)
  static const bool has_avx2 = __builtin_cpu_supports("avx2");
  if (has_avx2) {
    return sum_of_leaves_avx2(*this, row);
  }
#endif
  return sum_of_leaves(*this, row);
}

}  // namespace moesaic
