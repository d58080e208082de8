// Products by OpenBLAS, in 32-bit floating point.
#include "kernels/cpu/gemm_libraries.hpp"

#ifdef MOESAIC_OPENBLAS
#include <cblas.h>

#include "base/shared_library.hpp"

namespace moesaic::cpu {
namespace {

struct OpenBlas {
  SharedLibrary library{"libopenblas.so.0"};
  decltype(cblas_sgemm)* sgemm = nullptr;
  decltype(cblas_sgemv)* sgemv = nullptr;
  decltype(openblas_set_num_threads)* set_threads = nullptr;

  bool load() {
    return library.find("cblas_sgemm", sgemm) && library.find("cblas_sgemv", sgemv) &&
           library.find("openblas_set_num_threads", set_threads);
  }
};

class OpenBlasKernel final : public GemmKernel {
 public:
  OpenBlasKernel(const OpenBlas& blas, const GemmProblem& problem, const Threads& threads)
      : blas_(blas),
        problem_(problem),
        threads_(threads.count()),
        x_(gemm_inputs<float>(problem, threads)),
        w_(gemm_weights<float>(problem, threads)),
        y_(static_cast<std::size_t>(problem.most_m) * static_cast<std::size_t>(problem.n)) {}

  void prepare(int m) override {
    m_ = m;
    blas_.set_threads(threads_);
  }

  void run() override {
    copy_ = (copy_ + 1) % problem_.copies;
    const int n = problem_.n, k = problem_.k;
    const float* w =
        w_.data() + static_cast<std::size_t>(copy_) * static_cast<std::size_t>(n) * static_cast<std::size_t>(k);
    if (m_ == 1) {
      blas_.sgemv(CblasRowMajor, CblasNoTrans, n, k, 1, w, k, x_.data(), 1, 0, y_.data(), 1);
    } else {
      blas_.sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, m_, n, k, 1, x_.data(), k, w, k, 0, y_.data(), n);
    }
  }

  std::vector<float> output() const override {
    return {y_.data(), y_.data() + static_cast<std::size_t>(m_) * static_cast<std::size_t>(problem_.n)};
  }
  int copy() const override { return copy_; }

 private:
  OpenBlas blas_;
  GemmProblem problem_;
  int threads_;
  Buffer<float> x_, w_, y_;
  int m_ = 1;
  int copy_ = -1;
};

}  // namespace

std::optional<GemmLibrary> gemm_openblas() {
  OpenBlas blas;
  if (!blas.load()) {
    return std::nullopt;
  }
  return GemmLibrary{.name = "openblas",
                     .formats = {DType::fp32},
                     .notes = {},
                     .make = [blas](DType, const GemmProblem& problem, const Threads& threads) {
                       return std::make_unique<OpenBlasKernel>(blas, problem, threads);
                     }};
}

}  // namespace moesaic::cpu

#else

namespace moesaic::cpu {
std::optional<GemmLibrary> gemm_openblas() { return std::nullopt; }
}  // namespace moesaic::cpu

#endif
