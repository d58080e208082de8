#include "model/offload/moe_lens.hpp"

#include <algorithm>
#include <cmath>

#include "base/error.hpp"

namespace moesaic::moe_lens {
namespace {

constexpr double kPaperTera = 1.024;                     // of a decimal one: 1024 giga
constexpr double kPaperGigabyte = 1e6 / (1024. * 1024);  // GB that the paper prints of a decimal GB: 1000 MiB each

FlopsPerByte intensity(const AlikeLayers& model, double tokens, double attention) {
  const double experts = 2 * model.matrices * model.width / model.hidden;  // of hidden squared
  return {tokens * (experts * model.experts_per_token + attention) / (experts * model.experts + attention)};
}

}  // namespace

FlopsPerByte gemm_intensity(const AlikeLayers& model, double tokens) {
  return intensity(model, tokens, 4 + 4 / model.queries_per_kv_head());
}

FlopsPerByte printed_gemm_intensity(const AlikeLayers& model, double tokens) {
  return intensity(model, tokens, 2 + 2 / model.queries_per_kv_head());
}

FlopsPerByte expert_gemm_intensity(const AlikeLayers& model, double tokens) {
  return {tokens * model.experts_per_token / model.experts};
}

double tokens_to_saturate(const AlikeLayers& model, FlopsPerSecond compute, BytesPerSecond link, Counting counting) {
  const double tokens = compute / link / expert_gemm_intensity(model, 1);
  return counting == Counting::paper ? tokens * kPaperTera : tokens;
}

Bytes kv_to_saturate(const AlikeLayers& model, FlopsPerSecond compute, BytesPerSecond link, double length,
                     Counting counting) {
  const Bytes kv = tokens_to_saturate(model, compute, link, counting) * length * model.kv_bytes_per_token();
  return counting == Counting::paper ? kv * kPaperGigabyte : kv;
}

double memory_efficiency(double prompt, double generated) {
  return (prompt + generated) / ((generated + 1) * prompt + generated * (generated + 1) / 2);
}

double printed_memory_efficiency(double prompt, double generated) {
  return 2 * (prompt + generated) / ((2 * prompt + generated) * generated);
}

Seconds streaming_time(Bytes weights, BytesPerSecond link) { return weights / link; }

PerSecond most_tokens(double efficiency, double kv_tokens, Seconds streaming, PerSecond gpu) {
  return std::min(efficiency * kv_tokens / streaming.value * PerSecond{1}, gpu);
}

BytesPerSecond host_bandwidth(Bytes kv, Bytes weights, BytesPerSecond link) {
  return kv / streaming_time(weights, link) + link;
}

FlopsPerSecond cpu_attention(const AlikeLayers& model, FlopsPerByte intensity, BytesPerSecond kv_rate) {
  return 2 * model.queries_per_kv_head() * (intensity * kv_rate);
}

Bytes effective_kv(Bytes kv, double prompt, double generated) {
  return kv * ((prompt + generated) / (prompt + generated / 2));
}

double kv_token_passes(double prompt, double generated, double block) {
  MOESAIC_ASSERT(block >= 1 && generated >= 0);
  double sum = 0;
  for (double j = 0; j <= generated; ++j) {
    sum += block * std::ceil((prompt + j) / block);
  }
  return sum;
}

BatchTime batch_time(const Batch& batch, double kv_tokens, Seconds streaming, PerSecond gpu) {
  const double length = batch.prompt + batch.generated;
  const double by_kv = kv_tokens / kv_token_passes(batch.prompt, batch.generated, batch.block);
  const double by_gpu = gpu * streaming / length;
  BatchTime time;
  time.kv_is_limit = by_kv < by_gpu;
  time.admitted = std::min({by_kv, by_gpu, batch.requests});
  time.tokens_per_pass = time.admitted * length;
  time.passes = batch.requests / time.admitted + batch.generated;
  time.total = time.passes * streaming;
  time.generated = PerSecond{batch.requests * batch.generated / time.total.value};
  return time;
}

}  // namespace moesaic::moe_lens
