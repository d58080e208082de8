// The step graph against closed forms, for any network and any batch.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <cmath>

#include "tests/model/closed_forms.hpp"
#include "tests/model/draw.hpp"
#include "tests/model/random_architecture.hpp"
#include "tests/model/replicas.hpp"

namespace moesaic {
namespace {

constexpr double kRounding = 1e-10;

BatchGroup any_group() {
  const auto sequences = static_cast<double>(up_to(100));
  const double tokens = coin() ? 1 : static_cast<double>(up_to(5000));
  return {sequences, tokens, static_cast<double>(up_to(20'000) - 1)};
}

Batch any_batch() {
  Batch batch;
  const auto groups = up_to(3);
  for (std::int64_t i = 0; i < groups; ++i) {
    batch.groups.push_back(any_group());
  }
  return batch;
}

void check_close(const char* what, double counted, double expected) {
  RC_LOG() << fmt::format("{}: {} counted, {} expected\n", what, counted, expected);
  RC_ASSERT(std::abs(counted - expected) <= kRounding * expected);
}

RC_GTEST_PROP(StepGraphProperty, FlopsEqualTheClosedForm, ()) {
  const Architecture architecture = any_architecture();
  const Batch batch = any_batch();
  check_close("FLOPs", product_flops(build_step(replica(architecture), batch)), expected_flops(architecture, batch));
}

RC_GTEST_PROP(StepGraphProperty, WeightsReadEqualTheClosedForm, ()) {
  const Architecture architecture = any_architecture();
  const Batch batch = any_batch();
  const double read = over_step(build_step(replica(architecture), batch), [](const Task& task) {
    return task.op.kind == OperatorKind::embedding ? 0 : task.work.weights.value;
  });
  // A step that mixes prefill and decode reads MLA's up-projection twice: to rebuild, and to absorb.
  const double again = over_layers(architecture, [](const LayerKind& kind) {
    const auto* mla = std::get_if<LatentAttention>(&kind.attention);
    return mla == nullptr ? 0 : real(mla->kv_rank * mla->heads * (mla->nope_dim + mla->v_dim));
  });
  const auto decodes = [](const BatchGroup& group) { return group.new_tokens == 1; };
  const auto decoding = std::count_if(batch.groups.begin(), batch.groups.end(), decodes);
  const bool mixed = decoding > 0 && decoding < std::ssize(batch.groups);
  check_close("weights", read,
              expected_weights_read(architecture, batch.tokens()) +
                  architecture.precision.attention_weights.bytes(mixed ? again : 0).value);
}

RC_GTEST_PROP(StepGraphProperty, CacheTrafficEqualsTheClosedForm, ()) {
  const Architecture architecture = any_architecture();
  const BatchGroup group = any_group();
  const StepGraph graph = build_step(replica(architecture), Batch::decode(group.sequences, group.context));
  check_close("cache", total_work(graph).kv.value,
              group.sequences * expected_cache_traffic(architecture, group.context));
}

}  // namespace
}  // namespace moesaic
