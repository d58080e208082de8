#include "kernels/cpu/gemm.hpp"

#include "kernels/cpu/gemm_libraries.hpp"

namespace moesaic::cpu {
namespace {

std::uint64_t index(std::uint64_t row, int width, int i) {
  return row * static_cast<std::uint64_t>(width) + static_cast<std::uint64_t>(i);
}

}  // namespace

float gemm_input(const GemmProblem& problem, int row, int i) {
  return static_cast<float>(small_integer(index(static_cast<std::uint64_t>(row), problem.k, i)));
}

float gemm_weight(const GemmProblem& problem, int copy, int column, int i) {
  constexpr std::uint64_t kAnother = std::uint64_t{1} << 40;  // another sequence than the inputs'
  const std::uint64_t row = index(static_cast<std::uint64_t>(copy), problem.n, column);
  return static_cast<float>(small_integer(kAnother + index(row, problem.k, i)));
}

std::vector<GemmLibrary> gemm_libraries() {
  std::vector<GemmLibrary> libraries;
  for (std::optional<GemmLibrary> library : {gemm_onednn(), gemm_openblas()}) {
    if (library) {
      libraries.push_back(*std::move(library));
    }
  }
  libraries.push_back(gemm_blocked());
  return libraries;
}

}  // namespace moesaic::cpu
