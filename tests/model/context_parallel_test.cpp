// Ranks that share sequences: together they do the work once, but for what each has to have whole.
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/model/replicas.hpp"

namespace moesaic {
namespace {

constexpr const char* kLongContext[] = {"Llama-3.1-8B",    "DeepSeek-V3", "Qwen3-235B",  "gpt-oss-120b",
                                        "MiniMax-Text-01", "Qwen3-Next",  "Mixtral-8x7B"};

/// Experts whole on every rank, so that only attention is shared.
Mapping shared(int context) { return {.context = context, .expert_slices = 1}; }

double flops(const StepPlan& plan, const Batch& batch) {
  return product_flops(build_step(plan, batch, {.balanced_routing = true}));
}

double flops_of(const StepGraph& graph, std::string_view label) {
  return over_step(graph, [&](const Task& task) { return task.op.label == label ? task.work.flops.value : 0; });
}

// Each rank has T/c tokens of every prompt: all products are split. What stays whole: the latent of MLA turned into
// keys and values by every rank, and the last tokens' logits.
TEST(ContextParallel, PromptsAreSplitExactly) {
  for (const char* model : kLongContext) {
    const Architecture architecture = preset(model);
    const Batch batch = Batch::prefill(3, 32768, 4096);
    const StepGraph alone = build_step(replica(architecture, shared(1)), batch, {.balanced_routing = true});
    for (const int ranks : {2, 8}) {
      const double whole = flops_of(alone, "kv up") + flops_of(alone, "lm_head");
      const double together = ranks * flops(replica(architecture, shared(ranks)), batch);
      EXPECT_NEAR(together / (product_flops(alone) + (ranks - 1) * whole), 1, 1e-12) << model << " " << ranks;
    }
  }
}

// While decoding each rank has 1/c of every cache and 1/c of the new tokens.
TEST(ContextParallel, DecodingIsSplitExactly) {
  for (const char* model : kLongContext) {
    const Architecture architecture = preset(model);
    const Batch batch = Batch::decode(64, 65535);
    const double alone = flops(replica(architecture, shared(1)), batch);
    for (const int ranks : {2, 8}) {
      EXPECT_NEAR(ranks * flops(replica(architecture, shared(ranks)), batch) / alone, 1, 1e-12) << model << ranks;
    }
  }
}

// A single sequence's tokens stay with one rank, but its cache is read by all.
TEST(ContextParallel, OneSequencesCacheIsReadByAll) {
  const Architecture architecture = preset("Llama-3.1-8B");
  const auto cache_read = [&](int ranks) {
    return over_step(build_step(replica(architecture, shared(ranks)), Batch::decode(1, 65535)), [](const Task& task) {
      return std::holds_alternative<SoftmaxScores>(task.op.shape) ? task.work.kv.value : 0;
    });
  };
  EXPECT_NEAR(8 * cache_read(8) / cache_read(1), 1, 1e-12);
}

// The share has as many pairs as 1/c of the causal triangle, and measured kernels see them: T/c queries after a context
// of C + (T - T/c)/2.
TEST(ContextParallel, SharesHaveTheirPartOfThePairs) {
  for (const double context : {0.0, 1000.0}) {
    const BatchGroup group{1, 4096, context};
    for (const int ranks : {1, 2, 4, 16}) {
      const BatchGroup share = context_share(group, ranks);
      EXPECT_NEAR(attention_pairs(share.new_tokens, share.context, 0, false) * ranks,
                  attention_pairs(group.new_tokens, group.context, 0, false), 1e-3);
    }
  }
}

double wire(const std::vector<Operator>& operators, const std::string& label) {
  return work(the(operators, label)).wire.value;
}

// Llama-3.1-8B: 8 KV heads of 128, so 4,096 bytes of bf16 keys and values a token. A ring passes on 7/8 of them, an
// all-gather receives as much; the ring runs beside the scores and joins before the output projection.
TEST(ContextParallel, KeysAndValuesTravel) {
  const Architecture llama = preset("Llama-3.1-8B");
  const Batch batch = Batch::prefill(2, 8192);
  Mapping mapping = shared(8);
  const auto ring = attention_of(llama, 0, batch, mapping);
  EXPECT_DOUBLE_EQ(wire(ring, "pass on keys and values"), 7.0 / 8 * 2 * 8192 * 4096);
  EXPECT_EQ(the(ring, "pass on keys and values").beside, Beside::starts);
  EXPECT_EQ(the(ring, "o").beside, Beside::joins);
  mapping.context_ring = false;
  const auto gathered = attention_of(llama, 0, batch, mapping);
  EXPECT_DOUBLE_EQ(wire(gathered, "gather keys and values"), 7.0 / 8 * 2 * 8192 * 4096);
  EXPECT_EQ(the(gathered, "gather keys and values").beside, Beside::none);
}

// DeepSeek-V3 passes latents of 576 elements on, not 128 heads of keys and values.
TEST(ContextParallel, LatentsTravel) {
  const auto operators = attention_of(preset("DeepSeek-V3"), 0, Batch::prefill(1, 4096), shared(4));
  EXPECT_DOUBLE_EQ(wire(operators, "pass on keys and values"), 3.0 / 4 * 4096 * 576 * 2);
}

// LASP-2: states of heads x dim x dim are gathered once, however long the prompt is.
TEST(ContextParallel, StatesDoNotGrowWithThePrompt) {
  const Architecture minimax = preset("MiniMax-Text-01");
  const auto sent = [&](double tokens) {
    for (std::size_t kind = 0; kind < minimax.kinds.size(); ++kind) {
      if (std::holds_alternative<LightningAttention>(minimax.kinds[kind].attention)) {
        return wire(attention_of(minimax, kind, Batch::prefill(1, tokens), shared(8)), "gather states");
      }
    }
    return 0.0;
  };
  EXPECT_GT(sent(65536), 0);
  EXPECT_EQ(sent(65536), sent(262144));
}

// The ring is on the network's queue from before the scores until the output projection.
TEST(ContextParallel, TheRingRunsBesideTheScores) {
  const StepGraph graph = build_step(replica(preset("Llama-3.1-8B"), shared(8)), Batch::prefill(1, 8192));
  EXPECT_FALSE(graph.serial);
  const auto tasks = graph.tasks_of(graph.layers[1]);
  const auto position = [&](std::string_view label) {
    return static_cast<std::uint16_t>(
        std::find_if(tasks.begin(), tasks.end(), [&](const Task& task) { return task.op.label == label; }) -
        tasks.begin());
  };
  const auto waits_for = [&](std::string_view task, std::string_view before) {
    const auto& after = tasks[position(task)].after;
    return std::find(after.begin(), after.end(), position(before)) != after.end();
  };
  EXPECT_FALSE(waits_for("scores", "pass on keys and values"));
  EXPECT_TRUE(waits_for("scores", "rotary"));
  EXPECT_TRUE(waits_for("o", "scores"));
  EXPECT_TRUE(waits_for("o", "pass on keys and values"));
}

}  // namespace
}  // namespace moesaic
