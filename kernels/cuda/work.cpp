#include "kernels/cuda/work.hpp"

#include <algorithm>

namespace moesaic::cuda {
namespace {

double bytes_of(DType dtype) { return dtype == DType::fp32 ? 4 : dtype == DType::fp8 || dtype == DType::int8 ? 1 : 2; }

struct FloorOf {
  Floor operator()(const EmptyWork&) const { return {}; }
  Floor operator()(const StreamWork& w) const {
    const double arrays = w.stream == Stream::triad ? 3 : w.stream == Stream::copy ? 2 : 1;
    return {{arrays * double(w.bytes)}, {w.stream == Stream::triad ? double(w.bytes) / 2 : 0}};
  }
  Floor operator()(const ChaseWork& w) const { return {{4.0 * w.steps}, {}}; }
  Floor operator()(const TensorIssueWork& w) const { return {{}, {4 * 2 * 16.0 * 8 * 16 * w.loops * w.blocks}}; }
  Floor operator()(const FmaIssueWork& w) const { return {{}, {2 * 8 * 256.0 * w.loops * w.blocks}}; }
  Floor operator()(const GemmWork& w) const {
    const double m = w.m, n = w.n, k = w.k, out = w.dtype == DType::fp32 || w.dtype == DType::int8 ? 4 : 2;
    return {{w.batch * (bytes_of(w.dtype) * (m * k + n * k) + out * m * n)}, {2 * w.batch * m * n * k}};
  }
  Floor operator()(const GemvWork& w) const {
    const double m = w.m, n = w.n, k = w.k;
    return {{2 * m * k + bytes_of(w.dtype) * n * k + 2 * m * n}, {2 * m * n * k}};
  }
  Floor operator()(const RouteWork& w) const {
    return {{4.0 * w.tokens * w.experts + 8.0 * w.tokens * w.top_k}, {4.0 * w.tokens * w.experts}};
  }
  Floor operator()(const PermuteWork& w) const {
    const double rows = double(w.tokens) * w.top_k;
    return {{2.0 * w.hidden * (w.tokens + rows) + 8 * rows + 4.0 * (w.experts + 1)}, {}};
  }
  Floor operator()(const GroupedGemmWork& w) const {
    const double columns = (w.gated ? 2.0 : 1.0) * w.n, used = std::min(w.rows, w.experts);
    return {{2.0 * (double(w.rows) * w.k + used * columns * w.k + double(w.rows) * w.n)},
            {2.0 * w.rows * columns * w.k}};
  }
  Floor operator()(const UnpermuteWork& w) const {
    const double rows = double(w.tokens) * w.top_k;
    return {{2.0 * w.hidden * (w.tokens + rows) + 8 * rows}, {2 * rows * w.hidden}};
  }
  Floor operator()(const DecodeAttentionWork& w) const {
    const double held = double(w.pages_per_sequence) * w.page_tokens,
                 read = w.window > 0 ? std::min<double>(held, w.window) : held;
    const double tokens = w.sequences * read;
    return {{2 * tokens * w.kv_heads * w.head_dim * bytes_of(w.kv_dtype) + 4.0 * w.sequences * w.q_heads * w.head_dim},
            {4 * tokens * w.q_heads * w.head_dim}};
  }
  Floor operator()(const MlaDecodeWork& w) const {
    const double tokens = double(w.sequences) * w.pages_per_sequence * w.page_tokens, row = w.latent + w.rope;
    return {{2 * tokens * row + 2.0 * w.sequences * w.heads * (row + w.latent)},
            {2 * tokens * w.heads * (row + w.latent)}};
  }
  Floor operator()(const PrefillAttentionWork& w) const {
    const double t = w.tokens, window = w.window > 0 ? std::min<double>(t, w.window) : t;
    const double pairs = w.sequences * (window * (window + 1) / 2 + (t - window) * window);
    return {{4.0 * w.sequences * t * w.head_dim * (w.q_heads + w.kv_heads)}, {4 * pairs * w.q_heads * w.head_dim}};
  }
  Floor operator()(const LinearAttentionWork& w) const {
    const double heads = double(w.sequences) * w.heads, dim = w.head_dim;
    return {{heads * (8 * dim * dim + 8 * dim)}, {heads * 5 * dim * dim}};
  }
  Floor operator()(const RmsNormWork& w) const { return {{(4.0 * w.rows + 2) * w.width}, {4.0 * w.rows * w.width}}; }
  Floor operator()(const SiluMulWork& w) const { return {{6.0 * w.rows * w.width}, {4.0 * w.rows * w.width}}; }
  Floor operator()(const RotaryWork& w) const {
    const double values = double(w.tokens) * w.heads * w.head_dim;
    return {{4 * values + 4.0 * w.tokens}, {3 * values}};
  }
  Floor operator()(const QuantizeWork& w) const {
    const double values = double(w.rows) * w.width;
    return {{3 * values + values / 32}, {2 * values}};
  }
};

struct NameOf {
  std::string operator()(const EmptyWork&) const { return "empty kernel"; }
  std::string operator()(const StreamWork& w) const { return "stream over " + std::to_string(w.bytes) + " bytes"; }
  std::string operator()(const ChaseWork& w) const { return "pointer chase of " + std::to_string(w.steps) + " steps"; }
  std::string operator()(const TensorIssueWork& w) const { return "tensor cores " + std::string(name(w.dtype)); }
  std::string operator()(const FmaIssueWork&) const { return "fused multiply-add"; }
  std::string operator()(const GemmWork& w) const { return product("gemm", w); }
  std::string operator()(const GemvWork& w) const { return product("skinny gemm", w); }
  std::string operator()(const RouteWork&) const { return "routing"; }
  std::string operator()(const PermuteWork&) const { return "permutation"; }
  std::string operator()(const GroupedGemmWork&) const { return "grouped gemm"; }
  std::string operator()(const UnpermuteWork&) const { return "weighted sum of experts"; }
  std::string operator()(const DecodeAttentionWork&) const { return "decode attention"; }
  std::string operator()(const MlaDecodeWork&) const { return "latent decode attention"; }
  std::string operator()(const PrefillAttentionWork&) const { return "prefill attention"; }
  std::string operator()(const LinearAttentionWork&) const { return "linear attention"; }
  std::string operator()(const RmsNormWork&) const { return "norm"; }
  std::string operator()(const SiluMulWork&) const { return "activation"; }
  std::string operator()(const RotaryWork&) const { return "rotary"; }
  std::string operator()(const QuantizeWork&) const { return "quantisation"; }

  template <class Product>
  static std::string product(const char* what, const Product& w) {
    return std::string(what) + ' ' + std::string(name(w.dtype)) + " m=" + std::to_string(w.m) +
           " n=" + std::to_string(w.n) + " k=" + std::to_string(w.k);
  }
};

}  // namespace

Floor floor(const Work& work) { return std::visit(FloorOf{}, work); }
std::string describe(const Work& work) { return std::visit(NameOf{}, work); }

}  // namespace moesaic::cuda
