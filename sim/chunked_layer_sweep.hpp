// Many MoE layers whose times follow from their sizes: how much each policy of overlap gains on all of them.
#pragma once

#include <cstdint>
#include <vector>

#include "sim/chunked_layer.hpp"

namespace moesaic {

/// Time of an operation of any size: a start-up, and so much for each multiply-add or element.
struct LinearFit {
  Seconds start{};
  Seconds slope{};
};

struct OverlapFits {
  LinearFit experts;                                 ///< of one matrix product; by multiply-adds
  LinearFit attention;                               ///< of one matrix product; by multiply-adds
  LinearFit all_to_all, all_gather, reduce_scatter;  ///< by elements that a rank sends in one exchange
  LinearFit all_reduce;                              ///< by elements of attention's weights
};

/// Every combination is a layer. `heads` change no time here, but count.
struct OverlapGrid {
  std::int64_t top_k = 2;
  std::vector<std::int64_t> batch, heads, length, hidden;
  std::vector<double> expansion;       ///< experts' width over hidden
  std::vector<double> capacity;        ///< factor; 0: no token is dropped and none padded
  std::vector<std::int64_t> matrices;  ///< of an expert: 2, or 3 where it is gated
  std::size_t layers() const {
    return batch.size() * heads.size() * length.size() * hidden.size() * expansion.size() * capacity.size() *
           matrices.size();
  }
};

struct OverlapShape {
  double tokens = 0;  ///< of a rank
  double length = 0;  ///< of a sequence
  double hidden = 0;
  double width = 0;  ///< of an expert
  double sent = 0;   ///< copies of each token, padding included
  double matrices = 2;
};
/// Multi-head attention: four products with weights and two over the full square of each sequence.
MoeLayerTimes layer_times(const OverlapFits& fits, const OverlapShape& shape);

struct OverlapGain {
  double mean = 0;  ///< of the layers' times under the baseline over those under the policy
  double least = 0, most = 0;
};
struct OverlapSweep {
  std::size_t layers = 0;
  std::array<OverlapGain, kOverlapPolicyCount> gains{};  ///< over `baseline`, forward and backward together
  std::size_t different_chunks = 0;  ///< layers whose best forward and backward under fsmoe differ in chunks
};
OverlapSweep sweep_overlap(const OverlapFits& fits, const OverlapGrid& grid, OverlapPolicy baseline, int most_chunks);

}  // namespace moesaic
