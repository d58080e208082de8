// Relations between predictions that hold whatever the network, machine and load.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <cmath>

#include "hw/figures.hpp"
#include "sim/predict.hpp"
#include "tests/sim/rounding.hpp"
#include "tests/sim/scenario.hpp"

namespace moesaic {
namespace {

Batch decode_of(const Load& load) {
  return Batch::decode(static_cast<double>(load.batch), static_cast<double>(load.input));
}
Batch prefill_of(const Load& load) {
  return Batch::prefill(static_cast<double>(load.batch), static_cast<double>(load.input));
}

/// Time of the layers of a step alone: without the input and output part and without the engine's software.
Seconds layers_time(const StepPlan& plan, const CostModel& cost, const Batch& batch) {
  StepTimes times;
  StepGraph graph = build_step(plan, batch);
  evaluate_step(graph, plan.view(), cost, times);
  for (const LayerGraph& part : {graph.layers.front(), graph.layers.back()}) {
    for (const Task& task : graph.tasks_of(part)) {
      times.parts.device -= cost.cost(task, plan.view()).median();
    }
  }
  return times.parts.device;
}

RC_GTEST_PROP(Invariant, DoublingTheLayersDoublesTheStep, ()) {
  const Scenario scenario = any_scenario({.placements = {"resident"}});
  RC_LOG() << scenario.text << "\n";
  const StepPlan& plan = scenario.deployment.plan;
  Architecture twice = plan.architecture();
  twice.layers.insert(twice.layers.end(), plan.architecture().layers.begin(), plan.architecture().layers.end());
  twice.blocks = fold_layers(twice.layers);
  const StepPlan doubled(twice, plan.precision(), plan.machine(), plan.mapping(), plan.placement_pointer());
  const StepPlan once(plan.architecture(), plan.precision(), plan.machine(), plan.mapping(), plan.placement_pointer());
  for (const Batch& batch : {decode_of(scenario.load), prefill_of(scenario.load)}) {
    const double one = layers_time(once, *scenario.deployment.cost, batch).value;
    const double two = layers_time(doubled, *scenario.deployment.cost, batch).value;
    RC_ASSERT(std::abs(two / one - 2) < kRounding);
  }
}

// A replica of one device in a node is that device alone: nothing is sent, and nothing else differs.
RC_GTEST_PROP(Invariant, TensorParallelismOfOneIsNone, ()) {
  const Scenario scenario = any_scenario({.one_device = true});
  RC_LOG() << scenario.text << "\n";
  const StepPlan& plan = scenario.deployment.plan;
  Machine alone = plan.machine();
  alone.devices = 1;
  alone.device.scale_up.reset();
  const Mapping one = parse_mapping("tp=1,ep=1,dp=1", 1);
  const Deployment device{
      StepPlan(plan.architecture(), plan.precision(), alone, one, plan.placement_pointer(), scenario.routing),
      scenario.deployment.cost};
  for (const Batch& batch : {decode_of(scenario.load), prefill_of(scenario.load)}) {
    for (const Task& task : build_step(plan, batch).tasks) {
      RC_ASSERT(!std::holds_alternative<Collective>(task.op.shape));
    }
  }
  const Prediction in_node = predict(scenario.deployment, scenario.load), by_itself = predict(device, scenario.load);
  RC_ASSERT(in_node.fits == by_itself.fits);
  RC_ASSERT(in_node.running_batch == by_itself.running_batch);
  RC_ASSERT(in_node.end_to_end == by_itself.end_to_end);
  for (const auto& phase : {&Prediction::prefill, &Prediction::decode}) {
    RC_ASSERT((in_node.*phase).seconds == (by_itself.*phase).seconds);
    RC_ASSERT((in_node.*phase).limit.seconds == (by_itself.*phase).limit.seconds);
  }
}

// Times have no unit of their own: a machine that is twice as fast in everything takes half the time.
RC_GTEST_PROP(Invariant, AllFiguresTwiceAsFastHalveTheTime, ()) {
  Scenario scenario = any_scenario();
  scenario.deployment.cost = scaled_profile(1, 1, Seconds{0});
  RC_LOG() << scenario.text << "\n";
  Machine fast = scenario.deployment.plan.machine();
  for (const HardwareFigure& figure : hardware_figures(fast)) {
    if (!figure.path.ends_with(".capacity")) {
      fast = scale_figure(fast, figure.path, figure.more_is_better ? 2 : 0.5);
    }
  }
  const Prediction before = predict(scenario.deployment, scenario.load);
  const Prediction after = predict({scenario.deployment.plan.on(fast), scenario.deployment.cost}, scenario.load);
  RC_ASSERT(before.running_batch == after.running_batch);
  if (before.running_batch > 0) {
    RC_ASSERT(std::abs(before.end_to_end / after.end_to_end - 2) < kRounding);
    RC_ASSERT(std::abs(before.decode.limit.seconds / after.decode.limit.seconds - 2) < kRounding);
  }
}

// Energy lies between all devices and hosts idle and all at full power; the rent is that of the time.
RC_GTEST_PROP(Invariant, EnergyAndMoneyFollowTheTime, ()) {
  const Scenario scenario = any_scenario();
  RC_LOG() << scenario.text << "\n";
  const Prediction prediction = predict(scenario.deployment, scenario.load);
  if (prediction.running_batch == 0) {
    return;
  }
  const Machine& machine = scenario.deployment.plan.machine();
  const double devices = static_cast<double>(prediction.devices);
  const double tokens = static_cast<double>(scenario.load.batch * scenario.load.output);
  const auto of_all = [&](Watts Power::*watts) {
    const Watts host = machine.host ? machine.host->power.*watts * (devices / machine.devices) : Watts{0};
    return (machine.device.power.*watts * devices + host) * prediction.end_to_end;
  };
  const Joules energy = prediction.energy_per_token * tokens;
  RC_ASSERT(energy >= of_all(&Power::idle) * (1 - kRounding));
  RC_ASSERT(energy <= of_all(&Power::max) * (1 + kRounding));
  const Dollars rent = machine.price_per_device() * devices * prediction.end_to_end;
  RC_ASSERT(std::abs(prediction.per_million_tokens.value * tokens / 1e6 - rent.value) <= kRounding * rent.value);
}

}  // namespace
}  // namespace moesaic
