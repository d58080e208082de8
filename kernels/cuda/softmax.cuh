// Softmax tile by tile, without knowing the greatest score in advance. Scores are in powers of two.
#pragma once

#include "kernels/cuda/language.cuh"
#include "kernels/cuda/ptx/math.cuh"

namespace moesaic::cuda {

/// Less than any score, and finite: differences of two of them are 0 and not NaN.
inline constexpr float kNoScore = -1e30F;

/// The softmax so far of the rows g and g + 8 of a warp.
struct RunningSoftmax {
  float greatest[2] = {kNoScore, kNoScore};
  float shares[2] = {0, 0};  ///< of this lane's tokens

  /// Turns the scores of `tiles` x 8 tokens, already scaled, into shares; gives what earlier sums are multiplied by.
  template <int tiles>
  __device__ __forceinline__ void add(float (&scores)[tiles][4], float (&shrink)[2]) {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      float now = greatest[half];
#pragma unroll
      for (int i = 0; i < tiles; ++i) {
        now = fmaxf(now, fmaxf(scores[i][2 * half], scores[i][2 * half + 1]));
      }
      now = warp_max<4>(now);
      shrink[half] = exp2_fast(greatest[half] - now);
      greatest[half] = now;
      shares[half] *= shrink[half];
#pragma unroll
      for (int i = 0; i < tiles; ++i) {
#pragma unroll
        for (int j = 2 * half; j < 2 * half + 2; ++j) {
          scores[i][j] = exp2_fast(scores[i][j] - now);
          shares[half] += scores[i][j];
        }
      }
    }
  }
};

}  // namespace moesaic::cuda
