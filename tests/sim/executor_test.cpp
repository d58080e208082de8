// The executor on graphs small enough to follow by hand, and against the sum where a step is one chain.
#include "sim/executor.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <cmath>

#include "sim/step_times.hpp"
#include "tests/sim/scenario.hpp"

namespace moesaic {
namespace {

constexpr ResourceId kLink = 0, kMemory = 1;

/// A link of 10 bytes a second and a memory of 100.
MachineView small_machine() {
  MachineView view;
  view.resources = {{"link", ResourceKind::link, 10}, {"memory", ResourceKind::memory, 100}};
  return view;
}

Task task(Queue queue, double link, double memory) {
  Task result;
  result.queue = queue;
  result.demands.push_back({kLink, link});
  result.demands.push_back({kMemory, memory});
  return result;
}

/// A step of `layers` equal layers of these tasks, between an empty input and output part.
struct Step {
  explicit Step(std::vector<Task> tasks, std::int64_t layers = 1) : blocks{{{0}, layers}} {
    const auto count = static_cast<std::uint32_t>(tasks.size());
    graph.tasks = std::move(tasks);
    graph.layers = {{0, 0, 1, true}, {0, count, static_cast<double>(layers), false}, {count, 0, 1, true}};
    graph.blocks = &blocks;
    graph.serial = false;
  }
  double seconds() const { return execute(graph, small_machine(), *roofline_cost_model()).total.value; }

  std::vector<LayerBlock> blocks;
  StepGraph graph;
};

TEST(Executor, AQueueIsSerial) {
  EXPECT_DOUBLE_EQ(Step({task(Queue::device, 10, 0), task(Queue::device, 20, 0)}).seconds(), 3);
}

TEST(Executor, QueuesRunBesideEachOther) {
  EXPECT_DOUBLE_EQ(Step({task(Queue::device, 0, 300), task(Queue::to_device, 20, 0)}).seconds(), 3);
}

// Both get half the link until the shorter one is done after 2 s; then 10 bytes are left for the whole link.
TEST(Executor, TasksShareAResource) {
  const Step step({task(Queue::to_device, 10, 0), task(Queue::prefetch, 20, 0)});
  const Timeline timeline = execute(step.graph, small_machine(), *roofline_cost_model());
  ASSERT_EQ(timeline.spans.size(), 2U);
  EXPECT_DOUBLE_EQ(timeline.spans[0].end.value, 2);
  EXPECT_EQ(timeline.spans[0].task, 0U);
  EXPECT_DOUBLE_EQ(timeline.total.value, 3);
}

// The first is bound by memory (2 s) and asks for half the link, the second for all of it (1 s): both go at 2/3 of full
// speed. The second ends after 1.5 s with 1 s of the first left.
TEST(Executor, ATaskBoundElsewhereLeavesItsShare) {
  EXPECT_DOUBLE_EQ(Step({task(Queue::device, 10, 200), task(Queue::to_device, 10, 0)}).seconds(), 2.5);
}

TEST(Executor, TasksWaitForThoseBefore) {
  Task second = task(Queue::to_device, 10, 0);
  second.after.push_back(0);
  EXPECT_DOUBLE_EQ(Step({task(Queue::device, 0, 100), second}).seconds(), 2);
}

// Layers that copy 10 bytes (1 s) ahead into two buffers and compute: a copy waits for the layer two back.
Step double_buffered(double compute_seconds, std::int64_t layers) {
  Task copy = task(Queue::prefetch, 10, 0);
  copy.waits.push_back({Marker::layer_output, 2});
  Task compute = task(Queue::device, 0, 100 * compute_seconds);
  compute.after.push_back(0);
  compute.waits.push_back({Marker::layer_output, 1});
  compute.sets = Marker::layer_output;
  return Step({copy, compute}, layers);
}

TEST(Executor, DoubleBuffersOverlap) {
  EXPECT_DOUBLE_EQ(double_buffered(2, 5).seconds(), 1 + 5 * 2);      // copies hide behind the computation
  EXPECT_DOUBLE_EQ(double_buffered(0.5, 5).seconds(), 5 * 1 + 0.5);  // and the other way round
}

TEST(Executor, LatencyOccupiesNothing) {
  struct Late final : CostModel {
    Estimate cost(const Task& task, const MachineView& view) const override {
      return {Seconds{4}, peak_seconds(task, view)};
    }
    double spread(const Task&, const MachineView&) const override { return 0; }
    SoftwareTerms software() const override { return {}; }
    double reserve_fraction() const override { return 0; }
    std::string name() const override { return "late"; }
  };
  // Both wait 4 s, then share the link; without latency they share it at once.
  const Step step({task(Queue::to_device, 10, 0), task(Queue::prefetch, 10, 0)});
  EXPECT_DOUBLE_EQ(execute(step.graph, small_machine(), Late()).total.value, 6);
  EXPECT_DOUBLE_EQ(execute(step.graph, small_machine(), Late(), {.latency = false}).total.value, 2);
}

// Mixtral 8x7B streamed to an A40: 32 layers of 2.902 GB of weights and 256 x 4096 attention outputs in bf16 cross PCIe
// (31.5 GB/s at 80 %). Nothing but the first layer's way in and the last one's way out may be added to that, and what
// copies lose to the CPU's attention, which reads all that the host's memory (204.8 GB/s at 75 %) gives: both go slower
// alike, so copies lose their share of it times the attention's time.
TEST(Executor, StreamingKeepsTheLinkBusy) {
  const Deployment on = deployment("Mixtral-8x7B", "xeon-8380-a40", {}, "streamed");
  const StepGraph graph = build_step(on.plan, Batch::decode(256, 98));
  const double hidden = 4096, width = 14336, experts = 8;
  const double weights = 2 * (hidden * (2 * hidden + 2 * 1024) + experts * 3 * hidden * width + experts * hidden);
  const double link = 32 * (weights + 2 * 256 * hidden) / (0.8 * 31.5e9);
  double one_layer = 0, attention = 0;
  for (std::size_t part = 1; part < graph.layers.size(); ++part) {
    for (const Task& task : graph.tasks_of(graph.layers[part])) {
      one_layer +=
          std::string_view(task.op.label) == "weights in" ? 0 : on.cost->cost(task, on.plan.view()).median().value;
      attention += task.queue == Queue::host
                       ? on.cost->cost(task, on.plan.view()).busy.value * graph.layers[part].executions
                       : 0;
    }
  }
  const double step = execute(graph, on.plan.view(), *on.cost).total.value;
  EXPECT_GE(step, link);
  const double copied = 0.8 * 31.5e9 / (0.75 * 204.8e9);
  EXPECT_LE(step, link + one_layer + attention * copied);
}

// Agreement: where a step is one chain, running it by events gives the sum of its tasks.
RC_GTEST_PROP(ExecutorProperty, EqualsTheSumOfAChain, ()) {
  const Scenario scenario = any_scenario({.placements = {"resident"}});
  const StepPlan& plan = scenario.deployment.plan;
  const CostModel& cost = *scenario.deployment.cost;
  const double batch = static_cast<double>(scenario.load.batch), input = static_cast<double>(scenario.load.input);
  for (const Batch& step : {Batch::prefill(batch, input), Batch::decode(batch, input)}) {
    const StepGraph graph = build_step(plan, step);
    RC_ASSERT(graph.serial);
    StepTimes sum;
    evaluate_step(graph, plan.view(), cost, sum);
    const auto agrees = [&](Seconds summed, const CostLevel& level) {
      const Seconds executed = execute(graph, plan.view(), cost, level).total;
      RC_ASSERT(std::abs(executed / summed - 1) < 1e-9);
    };
    agrees(sum.ideal, {false, false, false});
    agrees(sum.efficient, {true, false, false});
    const auto with_software = [&](const CostLevel& level) {
      StepParts parts = sum.parts;
      parts.device = execute(graph, plan.view(), cost, level).total;
      return cost.software().step(parts);
    };
    RC_ASSERT(std::abs(with_software({true, true, false}) / sum.launched - 1) < 1e-9);
    RC_ASSERT(std::abs(with_software({true, true, true}) / sum.total - 1) < 1e-9);
  }
}

}  // namespace
}  // namespace moesaic
