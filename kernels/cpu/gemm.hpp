// Matrix products as a linear layer runs them, y[m, n] = x[m, k] W[n, k]^T, by the libraries that are there.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/dtype.hpp"
#include "kernels/cpu/threads.hpp"

namespace moesaic::cpu {

/// A layer and how often it exists: each product uses the next copy of the weights, so that with copies larger than
/// the caches they come from memory, as in a network of many layers.
struct GemmProblem {
  int n = 1;
  int k = 1;
  int most_m = 1;
  int copies = 1;
};

/// Elements of the matrices: whole numbers from -3 to 3, exact in every format.
float gemm_input(const GemmProblem& problem, int row, int i);
float gemm_weight(const GemmProblem& problem, int copy, int column, int i);

class GemmKernel {
 public:
  virtual ~GemmKernel() = default;
  /// What a program does once for this m, such as packing the weights. Untimed.
  virtual void prepare(int m) = 0;
  /// One product, with the next copy of the weights.
  virtual void run() = 0;
  /// y[m, n] of the last run, and the copy of the weights that it used.
  virtual std::vector<float> output() const = 0;
  virtual int copy() const = 0;
};

/// Where products come from. Formats: fp32 all through; bf16 weights; int8 inputs and weights with 32-bit sums.
struct GemmLibrary {
  std::string name;  ///< "openblas", "onednn", "own-blocked"
  std::vector<DType> formats;
  std::vector<std::string> notes;  ///< formats that it has only slow code for on this machine, and the like
  /// Throws std::runtime_error when the library fails, std::bad_alloc when memory is short.
  std::function<std::unique_ptr<GemmKernel>(DType, const GemmProblem&, const Threads&)> make;
};

/// Those found when moesaic was built that can be loaded now, and our own blocked loop, which is always there.
std::vector<GemmLibrary> gemm_libraries();

}  // namespace moesaic::cpu
