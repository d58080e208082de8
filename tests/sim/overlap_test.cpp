// Steps whose communication runs beside computation: bounds, limits, and the quick way against the long one.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "sim/executor.hpp"
#include "sim/step_times.hpp"
#include "tests/model/replicas.hpp"
#include "tests/sim/scenario.hpp"

namespace moesaic {
namespace {

constexpr Mapping kSpread{.tensor = 1, .data = 8, .expert = 8};

StepPlan plan_with(const std::string& overlap, const Mapping& mapping = kSpread,
                   const std::string& model = "DeepSeek-V3") {
  const Architecture architecture = preset(model);
  return {architecture,
          architecture.precision,
          many("dgx-h200", mapping.devices()),
          mapping,
          resident_placement(),
          "uniform",
          ExchangeKind::automatic,
          {parse_overlap(overlap)}};
}

std::vector<TaskCost> costs_of(const StepGraph& graph, const StepPlan& plan, const CostModel& cost) {
  std::vector<TaskCost> costs;
  step_costs(graph, plan.view(), cost, costs);
  return costs;
}

struct Sums {
  double compute = 0;
  double communication = 0;
};
Sums sums_of(const StepGraph& graph, const StepPlan& plan, const CostModel& cost) {
  Sums sums;
  for (const LayerGraph& layer : graph.layers) {
    for (const Task& task : graph.tasks_of(layer)) {
      (task.communication ? sums.communication : sums.compute) +=
          cost.cost(task, plan.view()).median().value * layer.executions;
    }
  }
  return sums;
}

/// Another model's costs, of which one part is left out.
class Without final : public CostModel {
 public:
  enum class Part { none, compute, held };
  explicit Without(Part part) : part_(part) {}
  Estimate cost(const Task& task, const MachineView& view) const override {
    return part_ == Part::compute && !task.communication ? Estimate{} : base_->cost(task, view);
  }
  double spread(const Task&, const MachineView&) const override { return 0; }
  double multiprocessors(const Task& task) const override {
    return part_ == Part::held ? 0 : base_->multiprocessors(task);
  }
  SoftwareTerms software() const override { return {}; }
  double reserve_fraction() const override { return 0; }
  std::string name() const override { return "without"; }

 private:
  CostModelPointer base_ = default_cost_model();
  Part part_;
};

const Batch kSteps[] = {Batch::decode(512, 4000), Batch::prefill(32, 2048)};

// Layers that are run once and repeated take as long as all layers run one after another.
TEST(Overlap, RepeatedLayersTakeAsLongAsAllOfThem) {
  const Without cost(Without::Part::none);
  const auto agree = [&](const StepPlan& plan, const Batch& batch, const std::string& what) {
    const StepGraph graph = build_step(plan, batch);
    EXPECT_FALSE(graph.serial) << what;
    const std::vector<TaskCost> costs = costs_of(graph, plan, cost);
    for (const CostLevel level : {CostLevel{}, CostLevel{true, true, false}, CostLevel{false, false, true}}) {
      const double all = execute(graph, plan.view(), cost, level).total.value;
      EXPECT_NEAR(execution_time(graph, plan.view(), costs, level).value / all, 1, 1e-9) << what;
    }
  };
  for (const Batch& batch : kSteps) {
    for (const char* overlap : {"shared", "two-batch", "chunks=2", "chunks=7"}) {
      agree(plan_with(overlap), batch, overlap);
    }
    agree(plan_with("two-batch", kSpread, "Qwen3-235B"), batch, "Qwen3-235B");
    agree(plan_with("two-batch", kSpread, "MiniMax-Text-01"), batch, "MiniMax-Text-01");
  }
  agree(plan_with("none", {.context = 8}, "Llama-3.1-8B"), kSteps[1], "ring");
  const StepPlan streamed = replica(preset("Mixtral-8x7B"), {}, make_placement("streamed"), "xeon-8380-a40");
  for (const Batch& batch : kSteps) {
    agree(streamed, batch, "streamed");
  }
}

TEST(Overlap, OnlyTwoBatchesCrossLayers) {
  for (const char* overlap : {"shared", "chunks=4"}) {
    EXPECT_TRUE(build_step(plan_with(overlap), kSteps[0]).closed) << overlap;
  }
  EXPECT_FALSE(build_step(plan_with("two-batch"), kSteps[0]).closed);
  EXPECT_TRUE(build_step(plan_with("none"), kSteps[0]).serial);
}

// Computation takes turns, and so does communication: no schedule is shorter than either, none longer than both. Where
// communication holds multiprocessors, computation may take longer.
TEST(Overlap, StepsLieBetweenTheLongerAndTheSum) {
  const Without cost(Without::Part::held);
  for (const Batch& batch : kSteps) {
    for (const char* overlap : {"shared", "two-batch", "chunks=4"}) {
      const StepPlan plan = plan_with(overlap);
      const StepGraph graph = build_step(plan, batch);
      const Sums sums = sums_of(graph, plan, cost);
      const double step = execution_time(graph, plan.view(), costs_of(graph, plan, cost)).value;
      EXPECT_GE(step, std::max(sums.compute, sums.communication) * (1 - 1e-9)) << overlap;
      EXPECT_LT(step, (sums.compute + sums.communication) * (1 - 1e-9)) << overlap;
    }
  }
}

// Free communication leaves the computation, and free computation the communication, nothing else.
TEST(Overlap, WithoutOneThereIsNothingToHide) {
  const Without whole(Without::Part::held), wire(Without::Part::compute);
  for (const Batch& batch : kSteps) {
    for (const char* overlap : {"shared", "two-batch", "chunks=4"}) {
      const StepPlan plan = plan_with(overlap);
      const StepGraph graph = build_step(plan, batch);
      EXPECT_NEAR(execution_time(graph, plan.view(), costs_of(graph, plan, whole), {true, true, false}).value /
                      sums_of(graph, plan, whole).compute,
                  1, 1e-9)
          << overlap;
      EXPECT_NEAR(execution_time(graph, plan.view(), costs_of(graph, plan, wire)).value /
                      sums_of(graph, plan, wire).communication,
                  1, 1e-9)
          << overlap;
    }
  }
}

// Two halves do the same products as the whole: half the rows each.
TEST(Overlap, TwoBatchesDoTheSameWork) {
  for (const Batch& batch : kSteps) {
    const double whole = product_flops(build_step(plan_with("none"), batch, {.balanced_routing = true}));
    const double halves = product_flops(build_step(plan_with("two-batch"), batch, {.balanced_routing = true}));
    EXPECT_NEAR(halves / whole, 1, 1e-12);
  }
  // One sequence a rank cannot be divided; its shared experts still run beside the dispatch.
  EXPECT_TRUE(build_step(plan_with("two-batch"), Batch::decode(8, 1000)).closed);
}

TEST(Overlap, HeldMultiprocessorsSlowWhatComputesBeside) {
  const StepPlan plan = plan_with("two-batch");
  const StepGraph graph = build_step(plan, kSteps[1]);
  const Without none(Without::Part::held), some(Without::Part::none);
  const std::vector<TaskCost> costs = costs_of(graph, plan, some);
  const double free = execution_time(graph, plan.view(), costs_of(graph, plan, none)).value;
  const double held = execution_time(graph, plan.view(), costs).value;
  EXPECT_GT(held, free * 1.001);
  // 16 of 132 multiprocessors less: products take at most 132/116 as long.
  EXPECT_LE(held, free * 132 / 116 * (1 + 1e-9));
  for (const TaskCost& each : costs) {
    EXPECT_LE(each.slowed, 132.0 / 116 * (1 + 1e-9));
  }
}

// The limit is that of the step without overlap.
TEST(Overlap, NeverBeatsTheLimit) {
  const Load load{.batch = 256, .input = 2000, .output = 100};
  for (const char* overlap : {"none", "shared", "two-batch", "chunks=4"}) {
    const Prediction prediction = predict({plan_with(overlap), default_cost_model()}, load);
    for (const PhasePrediction* phase : {&prediction.prefill, &prediction.decode}) {
      EXPECT_GE(phase->seconds.value, phase->limit.seconds.value) << overlap;
      double sum = phase->limit.seconds.value;
      for (const WaterfallBar& bar : phase->waterfall) {
        EXPECT_GE(bar.seconds.value, -1e-12) << overlap << " " << bar.id;
        sum += bar.seconds.value;
      }
      EXPECT_NEAR(sum / phase->seconds.value, 1, 1e-9) << overlap;
    }
  }
}

TEST(Overlap, NamesMistakes) {
  EXPECT_EQ(to_text(parse_overlap("chunks=4")), "chunks=4");
  for (const char* text : {"", "two", "chunks", "chunks=1", "chunks=17", "chunks=x", "none=2"}) {
    EXPECT_THROW(parse_overlap(text), UserError) << text;
  }
  const Architecture mixtral = preset("Mixtral-8x7B");
  EXPECT_THROW(StepPlan(mixtral, mixtral.precision, machine_named("xeon-8380-a40"), {}, make_placement("streamed"),
                        "uniform", ExchangeKind::automatic, {parse_overlap("two-batch")}),
               UserError);
}

}  // namespace
}  // namespace moesaic
