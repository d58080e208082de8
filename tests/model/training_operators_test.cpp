// Layers of a training step: the backward pass does what calculus asks for, and memory is what 2205.05198 counts.
#include "model/training_operators.hpp"

#include <gtest/gtest.h>

#include <optional>

#include "model/accounting.hpp"
#include "tests/model/replicas.hpp"

namespace moesaic {
namespace {

/// A layer with what it is written out from.
struct Written {
  Architecture architecture;
  Precision precision{};
  LayerContext context;
  std::vector<std::optional<RankLoadTable>> tables;
  RankBatch batch;
  Training training;

  Written(const std::string& model, const Mapping& mapping, const Training& step)
      : architecture(read_architecture(load_model_config(model))), training(step) {
    context = {.hidden = architecture.hidden,
               .vocabulary = architecture.vocabulary,
               .precision = &precision,
               .mapping = mapping,
               .balanced_routing = true,
               .overlap = {},
               .training = true};
    context.mapping.sequence = mapping.sequence || mapping.tensor == 1;
    for (const LayerKind& kind : architecture.kinds) {
      tables.emplace_back();
      if (const auto* moe = std::get_if<MoeFeedForward>(&kind.feed_forward)) {
        tables.back().emplace(Routing::uniform(moe->experts, moe->experts_per_token), mapping.expert);
      }
    }
    batch = training_batch(training, mapping);
  }
  TrainingLayer layer(std::size_t kind) {
    context.routing = tables[kind] ? &*tables[kind] : nullptr;
    return training_layer(architecture.kinds[kind], context, batch, training);
  }
};

bool is_product(const Operator& op) {
  return std::holds_alternative<Gemm>(op.shape) || std::holds_alternative<GroupedGemm>(op.shape);
}

/// FLOPs of the passes' products, and of scores and states.
struct PassFlops {
  double products[kPassCount] = {};
  double others[kPassCount] = {};
};

PassFlops flops(const TrainingLayer& layer) {
  PassFlops sum;
  for (const TrainingOperator& each : layer.operators) {
    const auto pass = static_cast<std::size_t>(each.pass);
    if (is_product(each.op)) {
      sum.products[pass] += work(each.op).flops.value;
    } else if (counts_as_product(each.op) && !std::holds_alternative<Elementwise>(each.op.shape)) {
      sum.others[pass] += work(each.op).flops.value;
    }
  }
  return sum;
}

constexpr const char* kTrained[] = {"Llama-3.1-8B", "DeepSeek-V3",     "Mixtral-8x7B", "Qwen2-57B-A14B",
                                    "gpt3-175b",    "MiniMax-Text-01", "Qwen3-Next",   "jetmoe"};

TEST(TrainingOperators, EveryProductHasTwoGradients) {
  for (const char* model : kTrained) {
    Written written(model, {}, {.micro_batch = 2, .sequence = 2048});
    for (std::size_t kind = 0; kind < written.architecture.kinds.size(); ++kind) {
      const PassFlops sum = flops(written.layer(kind));
      EXPECT_NEAR(sum.products[2], sum.products[0], 1e-9 * sum.products[0]) << model;
      EXPECT_NEAR(sum.products[3], sum.products[0], 1e-9 * sum.products[0]) << model;
      EXPECT_EQ(sum.products[1] + sum.others[1], 0) << model;
      // Five products for two where both are equally wide; MLA's queries and keys are wider than its values.
      const bool latent = std::holds_alternative<LatentAttention>(written.architecture.kinds[kind].attention);
      EXPECT_NEAR(sum.others[2] / sum.others[0], 2.5, latent ? 0.11 : 0.001) << model;
    }
  }
}

// Papers count three times the forward pass. What is done besides: scores once more in the backward pass.
TEST(TrainingOperators, AddUpToThePublishedCount) {
  for (const char* model : {"Llama-3.1-8B", "DeepSeek-V3", "Mixtral-8x7B", "gpt3-175b"}) {
    Written written(model, {}, {.micro_batch = 1, .sequence = 4096});
    double forward = 0;
    for (std::size_t kind = 0; kind < written.architecture.kinds.size(); ++kind) {
      const PassFlops sum = flops(written.layer(kind));
      forward += (sum.products[0] + sum.others[0]) *
                 static_cast<double>(written.architecture.count_of_kind(static_cast<int>(kind)));
    }
    const PassFlops head = flops(training_output(written.context, written.batch));
    EXPECT_NEAR(3 * (forward + head.products[0]) / 4096 / training_flops_per_token(written.architecture, 4096).value, 1,
                1e-9)
        << model;
  }
}

// 2205.05198, equations 1 to 6: s b h (34 + 5 a s / h) bytes a layer, over t with tensor and sequence parallelism; what
// is not cut without the latter is 10 s b h; 34 s b h over t with selective and 2 s b h over t with full recomputation.
// Two of the 34 are masks of the dropout behind attention and feed-forward, which layers here do not have.
TEST(TrainingOperators, KeepWhatThePaperCounts) {
  const double s = 2048, h = 12288, a = 96, t = 8, masks = 2;
  const Mapping alone{.tensor = 8}, sequence{.tensor = 8, .sequence = true};
  const auto kept = [](const Mapping& mapping, Recompute recompute) {
    Written written("gpt3-175b", mapping,
                    {.micro_batch = 1, .sequence = 2048, .recompute = recompute, .unfused_attention = true});
    return written.layer(0).kept.value;
  };
  const double sbh = s * h;
  EXPECT_NEAR(kept(sequence, Recompute::none), sbh * (34 - masks + 5 * a * s / h) / t, 1);
  EXPECT_NEAR(kept(sequence, Recompute::selective), sbh * (34 - masks) / t, 1);
  EXPECT_NEAR(kept(sequence, Recompute::full), sbh * 2 / t, 1);
  EXPECT_NEAR(kept(alone, Recompute::none), sbh * (10 - masks + 24 / t + 5 * a * s / (h * t)), 1);
  EXPECT_NEAR(kept(alone, Recompute::full), sbh * 2, 1);
  EXPECT_NEAR(kept(sequence, Recompute::none) / (sbh * (34 + 5 * a * s / h) / t), 1, 0.02);
}

TEST(TrainingOperators, MoreIsRecomputedLessIsKept) {
  for (const char* model : kTrained) {
    for (const bool unfused : {false, true}) {
      double kept = 1e300, again = -1;
      for (const Recompute recompute : {Recompute::none, Recompute::selective, Recompute::full}) {
        Written written(model, {}, {.recompute = recompute, .unfused_attention = unfused});
        const TrainingLayer layer = written.layer(0);
        const PassFlops sum = flops(layer);
        EXPECT_LE(layer.kept.value, kept) << model << name(recompute);
        EXPECT_GE(sum.products[1] + sum.others[1], again) << model << name(recompute);
        kept = layer.kept.value;
        again = sum.products[1] + sum.others[1];
        if (recompute == Recompute::full) {
          EXPECT_EQ(again, sum.products[0] + sum.others[0]);
        }
      }
    }
  }
}

/// Bytes that collectives of one kind of parallelism send in one pass.
double sent(const TrainingLayer& layer, Parallelism serves, Pass pass, bool beside) {
  double sum = 0;
  for (const TrainingOperator& each : layer.operators) {
    if (each.serves == serves && each.pass == pass && (each.beside >= 0) == beside) {
      const Work demand = work(each.op);
      sum += demand.wire.value + demand.network.value;
    }
  }
  return sum;
}

// With sequence parallelism a layer gathers twice and scatters twice in each pass (2205.05198 section 4.2.2); backward
// half of it, and gathering inputs again, hides behind gradients.
TEST(TrainingOperators, CollectivesAreMirrored) {
  Written sequence("Llama-3.1-8B", {.tensor = 4, .sequence = true}, {});
  const TrainingLayer layer = sequence.layer(0);
  const double forward = sent(layer, Parallelism::tensor, Pass::forward, false);
  EXPECT_GT(forward, 0);
  EXPECT_NEAR(sent(layer, Parallelism::tensor, Pass::backward_input, false), forward / 2, 1);
  EXPECT_NEAR(sent(layer, Parallelism::tensor, Pass::backward_input, true), forward, 1);
  // Without it two all-reduces of the same bytes, the backward ones beside gradients of weights.
  Written plain("Llama-3.1-8B", {.tensor = 4}, {});
  const TrainingLayer reduced = plain.layer(0);
  EXPECT_NEAR(sent(reduced, Parallelism::tensor, Pass::forward, false), forward, 1);
  EXPECT_NEAR(sent(reduced, Parallelism::tensor, Pass::backward_input, true), forward, 1);
  EXPECT_EQ(sent(reduced, Parallelism::tensor, Pass::backward_input, false), 0);
  // Tokens go to their experts and back in each direction.
  Written experts("Mixtral-8x7B", {.data = 8, .expert = 8, .expert_slices = 1}, {});
  const TrainingLayer moe = experts.layer(0);
  EXPECT_GT(sent(moe, Parallelism::expert, Pass::forward, false), 0);
  EXPECT_EQ(sent(moe, Parallelism::expert, Pass::backward_input, false),
            sent(moe, Parallelism::expert, Pass::forward, false));
}

// Keys and values come around again and their gradients go back.
TEST(TrainingOperators, ContextParallelismSendsBackGradients) {
  for (const bool ring : {true, false}) {
    Written written("Llama-3.1-8B", {.context = 4, .context_ring = ring}, {});
    const TrainingLayer layer = written.layer(0);
    const double forward = sent(layer, Parallelism::context, Pass::forward, ring);
    EXPECT_GT(forward, 0) << ring;
    EXPECT_NEAR(sent(layer, Parallelism::context, Pass::backward_input, ring), 2 * forward, 1) << ring;
  }
}

// Ranks together hold every weight once: those of attention on each rank of a tensor group, experts on one group.
TEST(TrainingOperators, RanksHoldTheLayersParameters) {
  Written whole("Mixtral-8x22B-v0.1", {}, {});
  const TrainingLayer one = whole.layer(0);
  Written cut("Mixtral-8x22B-v0.1", {.tensor = 2, .data = 8, .expert = 4, .expert_slices = 2, .sequence = true}, {});
  const TrainingLayer part = cut.layer(0);
  EXPECT_NEAR(part.expert_parameters * 8, one.expert_parameters, 1);
  EXPECT_NEAR(one.expert_parameters, 8.0 * 3 * 6144 * 16384, 1);
  const double router = 6144 * 8;
  EXPECT_NEAR((part.dense_parameters - router) * 2, one.dense_parameters - router, 1);
}

TEST(TrainingOperators, CapacityFactorsPadAndDrop) {
  const auto rows = [](double factor) {
    Written written("Mixtral-8x7B", {.data = 8, .expert = 8, .expert_slices = 1}, {});
    written.context.capacity_factor = factor;
    return flops(written.layer(0)).products[0];
  };
  EXPECT_GT(rows(1.25), rows(1));
  Written dense("Mixtral-8x7B", {.data = 8, .expert = 8, .expert_slices = 1}, {});
  EXPECT_NEAR(rows(1), flops(dense.layer(0)).products[0], 1e-9 * rows(1));  // evenly routed
}

TEST(Training, NamesAreRead) {
  for (const Recompute each : {Recompute::none, Recompute::selective, Recompute::full}) {
    EXPECT_EQ(parse_recompute(name(each)), each);
  }
  EXPECT_EQ(parse_zero("3"), ZeroStage::weights);
  EXPECT_THROW(parse_zero("4"), UserError);
  EXPECT_THROW(parse_recompute("fulll"), UserError);
}

}  // namespace
}  // namespace moesaic
