// Private to kernels: one function per source of matrix products, each in its own file.
#pragma once

#include <optional>

#include "kernels/cpu/buffer.hpp"
#include "kernels/cpu/gemm.hpp"

namespace moesaic::cpu {

/// Nothing where the library was not there when moesaic was built, or is not there now.
std::optional<GemmLibrary> gemm_openblas();
std::optional<GemmLibrary> gemm_onednn();
GemmLibrary gemm_blocked();

/// y[m, n] = x[m, k] w[n, k]^T with weights as they lie in memory; x in the weights' format, y in fp32.
class PlainProduct {
 public:
  virtual ~PlainProduct() = default;
  virtual void run(const void* x, const void* w, float* y, int m, int n, int k) = 0;
};
/// By oneDNN, for fp32 or bf16; null where it is not there or has only reference code for the format.
std::unique_ptr<PlainProduct> plain_product(DType storage, const Threads& threads);

template <class T>
T element(float value) {
  return static_cast<T>(value);
}
template <>
inline Bf16 element(float value) {
  return to_bf16(value);
}

/// x[most_m, k] as elements of type T.
template <class T>
Buffer<T> gemm_inputs(const GemmProblem& problem, const Threads& threads) {
  const auto k = static_cast<std::size_t>(problem.k);
  Buffer<T> inputs(static_cast<std::size_t>(problem.most_m) * k);
  inputs.fill(threads, [&](std::size_t i) {
    return element<T>(gemm_input(problem, static_cast<int>(i / k), static_cast<int>(i % k)));
  });
  return inputs;
}

/// All copies of W[n, k], one behind the other.
template <class T>
Buffer<T> gemm_weights(const GemmProblem& problem, const Threads& threads) {
  const auto n = static_cast<std::size_t>(problem.n), k = static_cast<std::size_t>(problem.k);
  Buffer<T> weights(static_cast<std::size_t>(problem.copies) * n * k);
  weights.fill(threads, [&](std::size_t i) {
    const std::size_t row = i / k;
    return element<T>(
        gemm_weight(problem, static_cast<int>(row / n), static_cast<int>(row % n), static_cast<int>(i % k)));
  });
  return weights;
}

}  // namespace moesaic::cpu
