// Sums over ranks: what tensor, data and expert parallelism split exactly, and what they replicate.
#include <gtest/gtest.h>

#include <cmath>

#include "model/accounting.hpp"
#include "model/real.hpp"
#include "tests/model/replicas.hpp"

namespace moesaic {
namespace {

/// Parameters of one layer that every rank of a tensor-parallel group holds beyond its share, times the ranks, less one
/// whole: routers, the MLA latent's down-projection, the token indexer, KV heads shared by more ranks than heads.
double replicated_parameters(const LayerKind& layer, std::int64_t hidden, double ranks) {
  double copies = 0;  // parameters that all ranks hold in full
  double extra = 0;   // KV heads beyond a whole set
  if (const auto* a = std::get_if<SoftmaxAttention>(&layer.attention)) {
    copies += real(hidden * a->experts);
    extra += (std::max(1.0, real(a->kv_heads) / ranks) * ranks - real(a->kv_heads)) * real(hidden) *
             real(a->qk_dim + a->v_dim);
  } else if (const auto* l = std::get_if<LatentAttention>(&layer.attention)) {
    copies += real(hidden * (l->q_rank + l->kv_rank + l->rope_dim));
    if (l->indexer.top_k > 0) {
      copies += real((l->q_rank > 0 ? l->q_rank : hidden) * l->indexer.heads * l->indexer.dim) +
                real(hidden * (l->indexer.dim + l->indexer.heads));
    }
  } else if (const auto* d = std::get_if<GatedDeltaNet>(&layer.attention)) {
    extra += (std::max(1.0, real(d->key_heads) / ranks) * ranks - real(d->key_heads)) * 2 * real(d->key_dim) *
             real(hidden + d->conv_kernel);
  }
  if (const auto* moe = std::get_if<MoeFeedForward>(&layer.feed_forward)) {
    copies += router_parameters(*moe, hidden);
  }
  return (ranks - 1) * copies + extra;
}

bool can_be_mapped(const Architecture& architecture, const Mapping& mapping) {
  try {
    check_mapping(architecture, mapping, many("dgx-h200", mapping.devices()));
    return true;
  } catch (const UserError&) {
    return false;
  }
}

TEST(TensorParallel, SplitsProductsExactly) {
  int mapped = 0;
  for_every_model([&](const Architecture& architecture) {
    for (const Batch& batch : {Batch::decode(6, 3000), Batch::prefill(2, 500, 100)}) {
      const double alone = product_flops(build_step(replica(architecture), batch));
      for (int ranks = 2; ranks <= 64; ranks *= 2) {
        if (!can_be_mapped(architecture, {.tensor = ranks})) {
          continue;
        }
        ++mapped;
        double expected = alone;
        for (std::size_t kind = 0; kind < architecture.kinds.size(); ++kind) {
          const LayerKind& layer = architecture.kinds[kind];
          double extra = 2 * batch.tokens() * replicated_parameters(layer, architecture.hidden, ranks);
          for (const BatchGroup& group : batch.groups) {
            extra += (ranks - 1) * group.sequences * indexer_flops_per_pair(layer.attention) *
                     attention_pairs(group.new_tokens, group.context, 0, false);
          }
          expected += extra * real(architecture.count_of_kind(static_cast<int>(kind)));
        }
        const double sum = ranks * product_flops(build_step(replica(architecture, {.tensor = ranks}), batch));
        EXPECT_NEAR(sum / expected, 1, 1e-12) << ranks << " ranks";
      }
    }
  });
  EXPECT_GT(mapped, 200);
}

TEST(TensorParallel, HoldsEveryWeightOnce) {
  for_every_model([](const Architecture& architecture) {
    // In one format everywhere, so that replicated parameters can be counted in bytes.
    Architecture plain = architecture;
    plain.precision = Precision{};
    for (int ranks = 1; ranks <= 64; ranks *= 2) {
      if (!can_be_mapped(plain, {.tensor = ranks})) {
        continue;
      }
      const StepPlan plan = replica(plain, {.tensor = ranks});
      double held = plan.embedding_weights().value, expected = weight_bytes(plain, plain.precision).value;
      for (std::size_t kind = 0; kind < plain.kinds.size(); ++kind) {
        const double layers = real(plain.count_of_kind(static_cast<int>(kind)));
        held += plan.layer_weights(kind).value * layers;
        expected += 2 * layers * replicated_parameters(plain.kinds[kind], plain.hidden, ranks);
      }
      expected += 2 * real(plain.learned_positions * plain.hidden) * (ranks - 1);
      EXPECT_NEAR(ranks * held / expected, 1, 1e-12) << ranks << " ranks";
    }
  });
}

double expert_flops(const StepGraph& graph) {
  return over_step(
      graph, [](const Task& task) { return std::string_view(task.op.label) == "experts" ? task.work.flops.value : 0; });
}

// With even routing, devices together do the experts' work once, however attention and experts are mapped.
TEST(ExpertParallel, EvenRoutingSplitsTheExpertsExactly) {
  for (const char* model : {"Mixtral-8x7B", "Qwen3-235B", "DeepSeek-V3", "gpt-oss-120b", "Llama-4-Scout"}) {
    const Architecture architecture = preset(model);
    const Batch batch = Batch::decode(64, 1000);
    const double alone = expert_flops(build_step(replica(architecture), batch));
    for (const Mapping mapping :
         {Mapping{8, 1, 1}, Mapping{8, 1, 8}, Mapping{1, 8, 8}, Mapping{2, 4, 8}, Mapping{4, 2, 2}, Mapping{1, 4, 2}}) {
      if (!can_be_mapped(architecture, mapping)) {
        continue;
      }
      const StepPlan plan = replica(architecture, mapping);
      const double even = expert_flops(build_step(plan, batch, {.balanced_routing = true}));
      EXPECT_NEAR(even * mapping.devices() / alone, 1, 1e-12) << model << " " << to_text(mapping);
      const double busiest = expert_flops(build_step(plan, batch));
      EXPECT_GE(busiest, even * (1 - 1e-12)) << model << " " << to_text(mapping);
      if (mapping.expert == 8) {
        EXPECT_GT(busiest, even * 1.01) << model << " " << to_text(mapping);
      }
    }
  }
}

// Eight groups each attend to their own sequences; nine sequences cost the fullest group two.
TEST(DataParallel, FullestGroupHasTheCeiling) {
  const Architecture llama = preset("Llama-3.1-8B");
  const Mapping mapping{.tensor = 1, .data = 8};
  const auto flops = [&](double sequences) {
    return product_flops(build_step(replica(llama, mapping), Batch::decode(sequences, 1000)));
  };
  const double one = product_flops(build_step(replica(llama), Batch::decode(1, 1000)));
  EXPECT_EQ(flops(1), one);
  EXPECT_EQ(flops(8), one);
  EXPECT_EQ(flops(9), 2 * one);
  EXPECT_EQ(flops(16), 2 * one);
  EXPECT_EQ(total_work(build_step(replica(llama, mapping), Batch::decode(8, 1000))).wire.value, 0);
}

/// Bytes that one rank sends in the collectives with this label.
double sent(const StepGraph& graph, std::string_view label) {
  return over_step(
      graph, [&](const Task& task) { return task.communication && task.op.label == label ? task.work.wire.value : 0; });
}

// Llama-3.1-8B on 4 ranks: 32 layers, hidden 4096, two all-reduces a layer, logits gathered once. The switch of H200
// nodes reduces: (n+1)/n of a message, which is more than 2(n-1)/n only for 2 ranks.
TEST(TensorParallel, CollectivesOfADenseModel) {
  const StepGraph graph = build_step(replica(preset("Llama-3.1-8B"), {.tensor = 4}), Batch::decode(10, 1000));
  ASSERT_TRUE(machine_named("dgx-h200").device.scale_up->in_switch_reduction);
  const double message = 10 * 4096 * 2;
  EXPECT_EQ(sent(graph, "reduce attention"), 32 * message * 5 / 4);
  EXPECT_EQ(sent(graph, "reduce feed-forward"), 32 * message * 5 / 4);
  EXPECT_EQ(sent(graph, "gather logits"), 10.0 * 128'256 * 2 * 3 / 4);
  EXPECT_NEAR(total_work(graph).wire.value, 32 * message * 5 / 2 + 10.0 * 128'256 * 2 * 3 / 4, 1e-3);
}

// Mixtral 8x7B with attention on its own device each and two experts a device on 4: a token's two experts lie on
// 4 (1 - C(6,2)/C(8,2)) = 13/7 devices. Even routing: every device sends its 16 tokens to that many, itself included.
TEST(DataParallel, DispatchAndCombine) {
  const Architecture mixtral = preset("Mixtral-8x7B");
  const Mapping mapping{.tensor = 1, .data = 4, .expert = 4};
  const StepGraph even = build_step(replica(mixtral, mapping), Batch::decode(64, 1000), {.balanced_routing = true});
  const double expected = 32 * 16 * (13.0 / 7) * 4096 * 2 * 3 / 4;
  EXPECT_NEAR(sent(even, "dispatch") / expected, 1, 1e-12);
  EXPECT_NEAR(sent(even, "combine") / expected, 1, 1e-12);
  const StepGraph busiest = build_step(replica(mixtral, mapping), Batch::decode(64, 1000));
  EXPECT_GT(sent(busiest, "dispatch"), expected);
}

// DeepSeek-V3 dispatches in fp8 and combines in bf16.
TEST(DataParallel, DispatchInEightBits) {
  const Mapping mapping{.tensor = 1, .data = 8, .expert = 8};
  const StepGraph graph = build_step(replica(preset("DeepSeek-V3"), mapping), Batch::decode(256, 1000));
  EXPECT_NEAR(sent(graph, "combine") / sent(graph, "dispatch"), 2, 1e-12);
}

}  // namespace
}  // namespace moesaic
