#include "kernels/cuda/work.hpp"

#include <algorithm>
#include <initializer_list>
#include <utility>

namespace moesaic::cuda {
namespace {

double element_bytes(DType dtype) {
  switch (dtype) {
    case DType::fp64:
      return 8;
    case DType::fp32:
    case DType::tf32:
      return 4;
    case DType::bf16:
    case DType::fp16:
      return 2;
    case DType::fp8:
    case DType::int8:
      return 1;
    case DType::fp6:
      return 0.75;
    case DType::fp4:
    case DType::int4:
      return 0.5;
  }
  return 0;
}

Floor make_floor(double bytes, double flops) { return {.bytes = {bytes}, .flops = {flops}}; }

Floor least(const EmptyWork&) { return {}; }
Floor least(const StreamWork& w) {
  const double bytes = static_cast<double>(w.bytes);
  switch (w.stream) {
    case Stream::read:
    case Stream::write:
      return make_floor(bytes, 0);
    case Stream::copy:
      return make_floor(2 * bytes, 0);
    case Stream::triad:
      return make_floor(3 * bytes, bytes / 4 * 2);
  }
  return {};
}
Floor least(const ChaseWork& w) { return make_floor(4.0 * w.steps, 0); }

Floor least(const TensorIssueWork& w) {
  const double depth = kIssueBytes / element_bytes(w.dtype);
  return make_floor(4.0 * 128 * w.blocks, 2.0 * kIssueRows * kIssueColumns * depth * w.loops * w.blocks);
}
Floor least(const FmaIssueWork& w) {
  return make_floor(4.0 * 256 * w.blocks, 2.0 * kFmaChains * kFmaLinks * 256 * w.loops * w.blocks);
}

Floor least(const GemmWork& w) {
  const double m = w.m, n = w.n, k = w.k, result_bytes = w.dtype == DType::int8 || w.dtype == DType::fp32 ? 4 : 2;
  return make_floor(w.batch * (element_bytes(w.dtype) * (m * k + n * k) + result_bytes * m * n),
                    2 * w.batch * m * n * k);
}
Floor least(const GemvWork& w) {
  const double m = w.m, n = w.n, k = w.k;
  return make_floor(2 * m * k + element_bytes(w.dtype) * n * k + 2 * m * n, 2 * m * n * k);
}

Floor least(const RouteWork& w) { return make_floor(4.0 * w.tokens * w.experts + 8.0 * w.tokens * w.top_k, 0); }
Floor least(const PermuteWork& w) {
  const double choices = static_cast<double>(w.tokens) * w.top_k;
  return make_floor(8 * choices + 4.0 * (w.experts + 1) + 2.0 * w.hidden * (w.tokens + choices), 0);
}
Floor least(const GroupedGemmWork& w) {
  const double rows = w.rows, k = w.k, columns = w.n * (w.gated ? 2.0 : 1.0), experts = std::min(w.experts, w.rows);
  return make_floor(
      4.0 * (w.experts + 1) + element_bytes(w.dtype) * (rows * k + experts * columns * k) + 2.0 * rows * w.n,
      2 * rows * columns * k);
}
Floor least(const UnpermuteWork& w) {
  const double choices = static_cast<double>(w.tokens) * w.top_k;
  return make_floor(8 * choices + 2.0 * w.hidden * (choices + w.tokens), 2 * choices * w.hidden);
}

Floor least(const DecodeAttentionWork& w) {
  const double full = static_cast<double>(w.pages_per_sequence) * w.page_tokens;
  const double tokens = w.window > 0 ? std::min<double>(full, w.window) : full;
  const double heads = static_cast<double>(w.sequences) * w.q_heads;
  const double cache = 2.0 * w.sequences * w.kv_heads * tokens * w.head_dim * element_bytes(w.kv_dtype);
  return make_floor(cache + 2 * 2 * heads * w.head_dim + 4.0 * w.sequences * (1 + tokens / w.page_tokens),
                    2 * 2 * heads * tokens * w.head_dim);
}
Floor least(const MlaDecodeWork& w) {
  const double tokens = static_cast<double>(w.pages_per_sequence) * w.page_tokens;
  const double heads = static_cast<double>(w.sequences) * w.heads, row = w.latent + w.rope;
  return make_floor(
      2.0 * w.sequences * tokens * row + 2 * heads * (row + w.latent) + 4.0 * w.sequences * (1 + w.pages_per_sequence),
      2 * heads * tokens * (row + w.latent));
}
Floor least(const PrefillAttentionWork& w) {
  const double tokens = w.tokens, seen = w.window > 0 ? std::min<double>(w.window, tokens) : tokens;
  const double pairs = seen * tokens - seen * (seen - 1) / 2;
  return make_floor(2.0 * w.sequences * tokens * w.head_dim * (2.0 * w.q_heads + 2.0 * w.kv_heads),
                    2.0 * 2 * w.sequences * w.q_heads * pairs * w.head_dim);
}
Floor least(const LinearAttentionWork& w) {
  const double heads = static_cast<double>(w.sequences) * w.heads, dim = w.head_dim;
  // An element of the state is decayed (1), gets its product (2), and adds to the output (2).
  return make_floor(4.0 * w.heads + heads * (2 * 4 * dim * dim + 4 * 2 * dim), 5 * heads * dim * dim);
}

Floor least(const RmsNormWork& w) {
  const double elements = static_cast<double>(w.rows) * w.width;  // squared and added; scaled and weighted
  return make_floor(2 * 2 * elements + 2.0 * w.width, 4 * elements);
}
Floor least(const SiluMulWork& w) {
  const double elements = static_cast<double>(w.rows) * w.width;  // exponential, sum, quotient and two products
  return make_floor(3 * 2 * elements, 5 * elements);
}
Floor least(const RotaryWork& w) {
  const double elements = static_cast<double>(w.tokens) * w.heads * w.head_dim;  // two products and a sum
  return make_floor(2 * 2 * elements + 4.0 * w.tokens, 3 * elements);
}
Floor least(const QuantizeWork& w) {
  const double elements = static_cast<double>(w.rows) * w.width;  // compared and scaled
  return make_floor(3 * elements + elements / 128 * 4, 2 * elements);
}

std::string text(std::string subject, std::initializer_list<std::pair<const char*, double>> sizes) {
  for (const auto& [what, size] : sizes) {
    subject.append(" ").append(what).append("=").append(std::to_string(static_cast<long long>(size)));
  }
  return subject;
}
std::string with(const char* subject, DType dtype) { return std::string(subject).append(" ").append(name(dtype)); }

std::string words(const EmptyWork&) { return "empty kernel"; }
std::string words(const StreamWork& w) {
  constexpr const char* kNames[] = {"read", "write", "copy", "triad"};
  return text(kNames[static_cast<std::size_t>(w.stream)],
              {{"bytes", static_cast<double>(w.bytes)}, {"blocks", w.blocks}});
}
std::string words(const ChaseWork& w) { return text("pointer chase", {{"steps", w.steps}}); }
std::string words(const TensorIssueWork& w) {
  return text(with("tensor issue", w.dtype), {{"loops", w.loops}, {"blocks", w.blocks}});
}
std::string words(const FmaIssueWork& w) { return text("fma issue fp32", {{"loops", w.loops}, {"blocks", w.blocks}}); }
std::string words(const GemmWork& w) {
  return text(with("gemm", w.dtype), {{"m", w.m}, {"n", w.n}, {"k", w.k}, {"batch", w.batch}});
}
std::string words(const GemvWork& w) { return text(with("gemv", w.dtype), {{"m", w.m}, {"n", w.n}, {"k", w.k}}); }
std::string words(const RouteWork& w) {
  return text("route", {{"tokens", w.tokens}, {"experts", w.experts}, {"top_k", w.top_k}});
}
std::string words(const PermuteWork& w) {
  return text("permute", {{"tokens", w.tokens}, {"experts", w.experts}, {"top_k", w.top_k}, {"hidden", w.hidden}});
}
std::string words(const GroupedGemmWork& w) {
  return text(with(w.gated ? "gated grouped gemm" : "grouped gemm", w.dtype),
              {{"rows", w.rows}, {"n", w.n}, {"k", w.k}, {"experts", w.experts}});
}
std::string words(const UnpermuteWork& w) {
  return text("unpermute", {{"tokens", w.tokens}, {"top_k", w.top_k}, {"hidden", w.hidden}});
}
std::string words(const DecodeAttentionWork& w) {
  return text(with("decode attention", w.kv_dtype), {{"sequences", w.sequences},
                                                     {"q_heads", w.q_heads},
                                                     {"kv_heads", w.kv_heads},
                                                     {"head_dim", w.head_dim},
                                                     {"page_tokens", w.page_tokens},
                                                     {"pages_per_sequence", w.pages_per_sequence},
                                                     {"window", w.window},
                                                     {"splits", w.splits}});
}
std::string words(const MlaDecodeWork& w) {
  return text("mla decode bf16", {{"sequences", w.sequences},
                                  {"heads", w.heads},
                                  {"latent", w.latent},
                                  {"rope", w.rope},
                                  {"page_tokens", w.page_tokens},
                                  {"pages_per_sequence", w.pages_per_sequence},
                                  {"splits", w.splits}});
}
std::string words(const PrefillAttentionWork& w) {
  return text("prefill attention bf16", {{"sequences", w.sequences},
                                         {"tokens", w.tokens},
                                         {"q_heads", w.q_heads},
                                         {"kv_heads", w.kv_heads},
                                         {"head_dim", w.head_dim},
                                         {"window", w.window}});
}
std::string words(const LinearAttentionWork& w) {
  return text("linear attention", {{"sequences", w.sequences}, {"heads", w.heads}, {"head_dim", w.head_dim}});
}
std::string words(const RmsNormWork& w) { return text("rms norm bf16", {{"rows", w.rows}, {"width", w.width}}); }
std::string words(const SiluMulWork& w) { return text("silu mul bf16", {{"rows", w.rows}, {"width", w.width}}); }
std::string words(const RotaryWork& w) {
  return text("rotary bf16", {{"tokens", w.tokens}, {"heads", w.heads}, {"head_dim", w.head_dim}});
}
std::string words(const QuantizeWork& w) { return text("quantize fp8", {{"rows", w.rows}, {"width", w.width}}); }

}  // namespace

Floor floor(const Work& work) {
  return std::visit([](const auto& one) { return least(one); }, work);
}

std::string describe(const Work& work) {
  return std::visit([](const auto& one) { return words(one); }, work);
}

}  // namespace moesaic::cuda
