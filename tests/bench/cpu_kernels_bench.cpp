// CPU kernels against what this memory gives: each benchmark reads memory and runs its kernel in turn, so that a shared
// machine slows both, and reports the ratio of the two medians. Data are larger than any cache.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>

#include "base/statistics.hpp"
#include "kernels/cpu/attention.hpp"
#include "kernels/cpu/bandwidth.hpp"
#include "kernels/cpu/expert_ffn.hpp"
#include "kernels/cpu/gemm.hpp"
#include "kernels/cpu/processor.hpp"

namespace moesaic::cpu {
namespace {

const Threads& threads() {
  static const Threads all(read_processor().cores);
  return all;
}

constexpr int kRuns = 30;  ///< each reads all of memory()

/// Larger than the last cache, whatever the processor.
Bytes footprint() { return std::max(Bytes{400e6}, 3 * read_processor().last_cache()); }

StreamArrays& memory() {
  static StreamArrays arrays(Stream::read, footprint(), threads());
  return arrays;
}

template <class Call>
double seconds_of(const Call& call) {
  const auto begin = std::chrono::steady_clock::now();
  call();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

/// Runs `kernel`, which reads `bytes`, and a pass over memory in turn.
template <class Kernel>
void against_memory(benchmark::State& state, Bytes bytes, const Kernel& kernel) {
  std::vector<double> rates, of_memory;
  for (auto _ : state) {
    of_memory.push_back(memory().traffic().value / seconds_of([] { memory().run(1); }));
    const double seconds = seconds_of(kernel);
    rates.push_back(bytes.value / seconds);
    state.SetIterationTime(seconds);
  }
  state.counters["GB/s"] = median(rates) / 1e9;
  state.counters["memory_GB/s"] = median(of_memory) / 1e9;
  state.counters["ratio"] = median(rates) / median(of_memory);
  state.counters["goal"] = 0.8;
}

void beside_memory(benchmark::internal::Benchmark* one) {
  one->UseManualTime()->Iterations(kRuns)->Unit(benchmark::kMillisecond);
}

/// The heads of Mixtral-8x7B (4 of a group), Llama-3-70B (8) and of a network without groups.
void BM_DecodeAttention(benchmark::State& state, DType storage) {
  const int group = static_cast<int>(state.range(0));
  const DecodeShape shape{.sequences = 16, .context = 4096, .q_heads = 8 * group, .kv_heads = 8, .head_dim = 128};
  const double bytes =
      2.0 * shape.sequences * shape.context * shape.kv_heads * shape.head_dim * (storage == DType::bf16 ? 2 : 4);
  DecodeAttention attention(shape, storage, std::max(1, static_cast<int>(footprint().value / bytes) + 1), threads());
  against_memory(state, attention.cache_bytes(), [&] { attention.run(); });
}
BENCHMARK_CAPTURE(BM_DecodeAttention, bf16, DType::bf16)->Arg(1)->Arg(4)->Arg(8)->Apply(beside_memory);
BENCHMARK_CAPTURE(BM_DecodeAttention, fp32, DType::fp32)->Arg(1)->Arg(4)->Arg(8)->Apply(beside_memory);

/// Mixtral's experts, one or a few tokens at a time, which go to the next experts each time.
void BM_ExpertsOfFewTokens(benchmark::State& state, DType storage) {
  const int tokens = static_cast<int>(state.range(0));
  const ExpertShape shape{.hidden = 4096, .inter = 2048, .experts = 32, .top_k = 2, .most_tokens = tokens};
  ExpertFfn ffn(shape, storage, threads());
  int first = 0;
  const int used = std::min(shape.experts, tokens * shape.top_k);
  against_memory(state, ffn.weight_bytes() * (double(used) / shape.experts), [&] {
    ffn.route_evenly(tokens, first);
    ffn.run();
    first = (first + tokens * shape.top_k) % shape.experts;
  });
}
BENCHMARK_CAPTURE(BM_ExpertsOfFewTokens, bf16, DType::bf16)->Arg(1)->Arg(4)->Apply(beside_memory);
BENCHMARK_CAPTURE(BM_ExpertsOfFewTokens, fp32, DType::fp32)->Arg(1)->Apply(beside_memory);

/// Whole-number weights: what memory gives is again the floor, of fewer bytes.
BENCHMARK_CAPTURE(BM_ExpertsOfFewTokens, int8, DType::int8)->Arg(1)->Apply(beside_memory);
BENCHMARK_CAPTURE(BM_ExpertsOfFewTokens, int4, DType::int4)->Arg(1)->Apply(beside_memory);

/// A linear layer of 4096 x 4096 for a few rows, by each source of products.
void BM_Gemv(benchmark::State& state, const std::string& library, DType dtype) {
  constexpr int kWidth = 4096;
  for (const GemmLibrary& one : gemm_libraries()) {
    if (one.name == library && std::find(one.formats.begin(), one.formats.end(), dtype) != one.formats.end()) {
      const double bytes = (dtype == DType::bf16 ? 2.0 : 4.0) * kWidth * kWidth;
      const GemmProblem problem{
          .n = kWidth, .k = kWidth, .most_m = 1, .copies = static_cast<int>(footprint().value / bytes) + 1};
      const auto kernel = one.make(dtype, problem, threads());
      kernel->prepare(1);
      against_memory(state, Bytes{bytes}, [&] { kernel->run(); });
      return;
    }
  }
  state.SkipWithError("the library is not here, or not in this format");
}
BENCHMARK_CAPTURE(BM_Gemv, own_bf16, "own-blocked", DType::bf16)->Apply(beside_memory);
BENCHMARK_CAPTURE(BM_Gemv, own_fp32, "own-blocked", DType::fp32)->Apply(beside_memory);
BENCHMARK_CAPTURE(BM_Gemv, onednn_bf16, "onednn", DType::bf16)->Apply(beside_memory);

}  // namespace
}  // namespace moesaic::cpu
