// Speed target of expert caches: a million requests a second and policy at least.
#include <benchmark/benchmark.h>

#include "model/routing_locality.hpp"
#include "sim/expert_cache.hpp"

namespace moesaic {
namespace {

void BM_ExpertCache(benchmark::State& state) {
  LocalTrace wanted;
  wanted.layers = 4;
  wanted.locality.repeat = 0.3;
  const RoutingTrace trace = local_trace(Routing::zipf(128, 8, 0.5), wanted);
  CacheQuestion question;
  question.policy = static_cast<CachePolicy>(state.range(0));
  question.shared = state.range(1) != 0;
  question.capacity = 32;
  std::int64_t requests = 0;
  for (auto _ : state) {
    requests += simulate_cache(trace, question).all().requests;
  }
  state.SetLabel(std::string(name(question.policy)) + (question.shared ? ", shared" : ""));
  state.SetItemsProcessed(requests);
}
BENCHMARK(BM_ExpertCache)
    ->ArgsProduct({benchmark::CreateDenseRange(0, kCachePolicyCount - 1, 1), {0, 1}})
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace moesaic
