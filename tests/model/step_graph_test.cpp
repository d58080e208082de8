// The step graph against closed forms that do not go through operators, for every shipped model.
#include "model/step_graph.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "tests/model/closed_forms.hpp"
#include "tests/model/replicas.hpp"

namespace moesaic {
namespace {

TEST(StepGraph, FlopsEqualTheClosedForm) {
  const Batch batches[] = {
      Batch::prefill(1, 512),         Batch::prefill(3, 700, 8'000), Batch::decode(1, 1),
      Batch::decode(7, 3'000),        Batch::decode(5, 20'000),      Batch::prefill(1, 8'192, 8'192),
      {{{2, 300, 0}, {9, 1, 5'000}}}, Batch::prefill(2, 1)};
  for_every_model([&](const Architecture& architecture) {
    const StepPlan plan = replica(architecture);
    for (const Batch& batch : batches) {
      EXPECT_NEAR(product_flops(build_step(plan, batch)) / expected_flops(architecture, batch), 1, 1e-12);
    }
  });
}

// With so many tokens that every expert is used, a step reads every weight once, but of the input tables only the rows
// of its tokens.
TEST(StepGraph, ReadsEveryWeightOnce) {
  for_every_model([](const Architecture& architecture) {
    const StepPlan plan = replica(architecture);
    const StepGraph graph = build_step(plan, Batch::prefill(1, 1 << 20));
    const double read = over_step(
        graph, [](const Task& task) { return task.op.kind == OperatorKind::embedding ? 0 : task.work.weights.value; });
    const double expected = expected_weights_read(architecture, real(1 << 20));
    const Precision& precision = architecture.precision;
    EXPECT_NEAR(read / expected, 1, 1e-12);
    const double rows = over_step(
        graph, [](const Task& task) { return task.op.kind == OperatorKind::embedding ? task.work.weights.value : 0; });
    EXPECT_EQ(rows, precision.embedding_weights.bytes(real(1 << 20) * real(architecture.hidden)).value);
  });
}

TEST(StepGraph, DecodeReadsTheCacheAndWritesOneToken) {
  for (const double context : {0., 100., 2'047., 2'048., 8'191., 8'192., 20'000.}) {
    for_every_model([&](const Architecture& architecture) {
      const double expected = expected_cache_traffic(architecture, context);
      const StepGraph graph = build_step(replica(architecture), Batch::decode(3, context));
      EXPECT_NEAR(total_work(graph).kv.value / (3 * expected), 1, 1e-12) << "context " << context;
      const bool plain = std::all_of(architecture.kinds.begin(), architecture.kinds.end(), [](const LayerKind& kind) {
        return tokens_read(kind.attention, 100) == 101 && state_elements_per_sequence(kind.attention) == 0;
      });
      if (plain && context == 100) {
        EXPECT_EQ(Bytes{expected}, cache_bytes(architecture, architecture.precision, context + 2));
      }
    });
  }
}

TEST(StepGraph, OneDeviceCommunicatesNothing) {
  for_every_model([](const Architecture& architecture) {
    for (const Batch& batch : {Batch::decode(8, 1000), Batch::prefill(2, 1000)}) {
      const StepGraph graph = build_step(replica(architecture), batch);
      EXPECT_TRUE(graph.serial);
      EXPECT_EQ(total_work(graph).wire.value, 0);
      EXPECT_EQ(over_step(graph, [](const Task& task) { return task.communication ? 1 : 0; }), 0);
    }
  });
}

TEST(StepGraph, HoldsEachLayerKindOnce) {
  for_every_model([](const Architecture& architecture) {
    const StepGraph graph = build_step(replica(architecture), Batch::decode(8, 1000));
    ASSERT_EQ(graph.layers.size(), architecture.kinds.size() + 2);
    double layers = 0;
    std::uint32_t next = 0;
    for (const LayerGraph& layer : graph.layers) {
      layers += layer.executions;
      EXPECT_EQ(layer.first, next);
      EXPECT_GT(layer.count, 0U);
      next = layer.first + layer.count;
    }
    EXPECT_EQ(next, graph.tasks.size());
    EXPECT_EQ(layers, real(architecture.layer_count()) + 2);
  });
}

TEST(StepGraph, RebuildsTheSame) {
  const StepPlan plan = replica(preset("Qwen3-Next"));
  StepBuilder builder(plan);
  StepGraph graph;
  builder.build(Batch::prefill(3, 77), {}, graph);
  builder.build(Batch::decode(8, 1000), {}, graph);
  const StepGraph fresh = build_step(plan, Batch::decode(8, 1000));
  ASSERT_EQ(graph.tasks.size(), fresh.tasks.size());
  for (std::size_t i = 0; i < graph.tasks.size(); ++i) {
    EXPECT_STREQ(graph.tasks[i].op.label, fresh.tasks[i].op.label);
    EXPECT_EQ(graph.tasks[i].work.flops, fresh.tasks[i].work.flops);
    EXPECT_EQ(graph.tasks[i].work.memory(), fresh.tasks[i].work.memory());
  }
}

TEST(StepGraph, TwiceTheLayersTwiceTheirPart) {
  const Config config = load_model_config("Llama-3.1-8B");
  const auto layers_part = [](const Architecture& architecture) {
    const StepGraph graph = build_step(replica(architecture), Batch::decode(16, 4000));
    Work inner;
    for (std::size_t i = 1; i + 1 < graph.layers.size(); ++i) {
      for (const Task& task : graph.tasks_of(graph.layers[i])) {
        inner.flops += task.work.flops * graph.layers[i].executions;
        inner.weights += task.work.weights * graph.layers[i].executions;
        inner.kv += task.work.kv * graph.layers[i].executions;
      }
    }
    return inner;
  };
  const Work once = layers_part(read_architecture(config));
  const Work twice = layers_part(read_architecture(config.set("num_hidden_layers", "64")));
  EXPECT_EQ(twice.flops.value, 2 * once.flops.value);
  EXPECT_EQ(twice.weights.value, 2 * once.weights.value);
  EXPECT_EQ(twice.kv.value, 2 * once.kv.value);
}

TEST(StepGraph, DotNamesEveryTaskAndDependency) {
  const StepGraph graph = build_step(replica(preset("Mixtral-8x7B")), Batch::decode(1, 10));
  const std::string dot = to_dot(graph, graph.layers[1]);
  for (const Task& task : graph.tasks_of(graph.layers[1])) {
    EXPECT_NE(dot.find(task.op.label), dot.npos) << task.op.label;
  }
  std::size_t arrows = 0;
  for (auto at = dot.find("->"); at != dot.npos; at = dot.find("->", at + 1)) {
    ++arrows;
  }
  EXPECT_EQ(arrows, graph.layers[1].count - 1);
}

}  // namespace
}  // namespace moesaic
