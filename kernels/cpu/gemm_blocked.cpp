// Our own matrix product: a blocked loop without packing. It is there when no library is, and where a library has only
// reference code for a format.
#include <stdexcept>

#include "kernels/cpu/gemm_libraries.hpp"
#include "kernels/cpu/multiply.hpp"
#include "kernels/cpu/vector_kernels.hpp"

namespace moesaic::cpu {
namespace {

// A panel of weights stays in the first-level cache while rows of x pass by it; those stay in the second level.
constexpr int kBlockColumns = 16;
constexpr int kBlockRows = 64;
constexpr int kBlockDepth = 384;

template <class X, class W, class Y>
class Blocked final : public GemmKernel {
 public:
  Blocked(const GemmProblem& problem, const Threads& threads)
      : problem_(problem),
        threads_(threads),
        x_(gemm_inputs<X>(problem, threads)),
        w_(gemm_weights<W>(problem, threads)),
        y_(static_cast<std::size_t>(problem.most_m) * static_cast<std::size_t>(problem.n)) {}

  void prepare(int m) override { m_ = m; }

  void run() override {
    copy_ = (copy_ + 1) % problem_.copies;
    threads_.balanced((problem_.n + kBlockColumns - 1) / kBlockColumns,
                      [this](int block) { columns(block * kBlockColumns); });
  }

  std::vector<float> output() const override {
    std::vector<float> values;
    for (std::size_t i = 0; i < static_cast<std::size_t>(m_) * static_cast<std::size_t>(problem_.n); ++i) {
      values.push_back(static_cast<float>(y_[i]));
    }
    return values;
  }
  int copy() const override { return copy_; }

 private:
  void columns(int first) {
    const auto n = static_cast<std::size_t>(problem_.n), k = static_cast<std::size_t>(problem_.k);
    const auto column = static_cast<std::size_t>(first);
    const int width = std::min(kBlockColumns, problem_.n - first);
    const W* weights = w_.data() + (static_cast<std::size_t>(copy_) * n + column) * k;
    if constexpr (std::is_same_v<Y, float>) {
      if (m_ <= kFewRows) {  // nothing to keep in a cache: weights are read once
        vector_kernels(best_instructions())
            .few_rows({.x = x_.data(),
                       .x_stride = k,
                       .rows = m_,
                       .format = std::is_same_v<W, float> ? WeightFormat::fp32 : WeightFormat::bf16,
                       .w = reinterpret_cast<const std::uint8_t*>(weights),
                       .w_stride = k * sizeof(W),
                       .columns = width,
                       .k = problem_.k,
                       .y = y_.data() + column,
                       .y_stride = n});
        return;
      }
    }
    for (std::size_t row = 0; row < static_cast<std::size_t>(m_); ++row) {
      std::fill_n(y_.data() + row * n + column, width, Y{});
    }
    for (int panel = 0; panel < problem_.k; panel += kBlockDepth) {
      const int depth = std::min(kBlockDepth, problem_.k - panel);
      for (int row = 0; row < m_; row += kBlockRows) {
        const auto r = static_cast<std::size_t>(row);
        multiply_add({x_.data() + r * k + static_cast<std::size_t>(panel), k},
                     {weights + static_cast<std::size_t>(panel), k}, {y_.data() + r * n + column, n},
                     std::min(kBlockRows, m_ - row), width, depth);
      }
    }
  }

  GemmProblem problem_;
  Threads threads_;
  Buffer<X> x_;
  Buffer<W> w_;
  Buffer<Y> y_;
  int m_ = 1;
  int copy_ = -1;
};

std::unique_ptr<GemmKernel> make(DType dtype, const GemmProblem& problem, const Threads& threads) {
  switch (dtype) {
    case DType::fp32:
      return std::make_unique<Blocked<float, float, float>>(problem, threads);
    case DType::bf16:
      return std::make_unique<Blocked<float, Bf16, float>>(problem, threads);
    case DType::int8:
      return std::make_unique<Blocked<std::int8_t, std::int8_t, std::int32_t>>(problem, threads);
    default:
      throw std::runtime_error("own-blocked has no products of " + std::string(name(dtype)));
  }
}

}  // namespace

GemmLibrary gemm_blocked() {
  return {.name = "own-blocked", .formats = {DType::fp32, DType::bf16, DType::int8}, .notes = {}, .make = make};
}

}  // namespace moesaic::cpu
