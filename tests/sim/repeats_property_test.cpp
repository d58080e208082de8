// Layers and batches that are added without being run take as long as those that are run.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "model/hybrid_description.hpp"
#include "sim/executor.hpp"
#include "tests/model/replicas.hpp"

namespace moesaic {
namespace {

/// One of every way to divide a network, each share at its ends or between.
HybridDescription any_hybrid() {
  const auto share = [](double between) { return *rc::gen::element(0.0, between, 1.0); };
  HybridDescription is;
  is.name = "test";
  is.missing = *rc::gen::element(MissingExperts::streamed, MissingExperts::fetched, MissingExperts::host,
                                 MissingExperts::cheaper, MissingExperts::balanced);
  is.dense_on_device = share(0.5);
  is.experts_on_device = *rc::gen::element(0.0, 0.25);
  is.expert_slots = *rc::gen::element(0, 0, 1, 2, 8);
  is.skipped = *rc::gen::element(0.0, 0.0, 0.25);
  is.prefetch_accuracy = share(0.75);
  is.look_ahead = *rc::gen::inRange(1, 4);
  is.prefetch_extra = *rc::gen::element(0.0, 0.5);
  is.deferred = *rc::gen::element(0.0, 0.0, 0.375);
  is.cache_on_device = share(0.3);
  is.host_attention = share(0.6);
  is.activations_on_device = share(0.5);
  is.buffered_layers = *rc::gen::inRange(1, 5);
  is.batches = *rc::gen::element(1, 2, 3, 6, 9, 16, 40);
  is.copies = *rc::gen::element(CopyKind::pinned, CopyKind::staged, CopyKind::pageable);
  is.overlap = *rc::gen::element(Overlapping::all, Overlapping::copies, Overlapping::none);
  is.device_layers = *rc::gen::element(0, 0, 2);
  is.on_host = *rc::gen::element(false, false, false, true);
  is.weights_on_storage = *rc::gen::element(0.0, 0.0, 0.3);
  is.cache_on_storage = *rc::gen::element(0.0, 0.0, 0.3);
  return is;
}

/// A device with a host, every part of it slower or faster than it is.
Machine host_machine(double memory, double link, double device, double drives) {
  Machine machine = machine_named("xeon-8380-a40");
  machine.host->memory.bandwidth *= memory;
  machine.host->cpu.memory_bandwidth *= memory;
  machine.device.host_link->bandwidth *= link;
  Memory storage;
  storage.capacity = Bytes{1e13};
  storage.bandwidth = BytesPerSecond{7e9 * drives};
  machine.host->storage = storage;
  machine.device.memory.bandwidth *= device;
  machine.device.units.front().memory_bandwidth *= device;
  return machine;
}

double factor(int tenths) { return std::pow(2, tenths / 10.0); }

Machine any_host_machine() {
  const auto any = [] { return factor(*rc::gen::inRange(-30, 31)); };
  const double memory = any(), link = any(), device = any();
  return host_machine(memory, link, device, any());
}

/// How much longer than run a step takes by repeats, relatively, at the level where that is most.
double worst_repeat(const Architecture& architecture, const HybridDescription& description, const Machine& machine,
                    const Batch& batch) {
  const StepPlan plan(architecture, architecture.precision, machine, {}, hybrid_placement(description));
  const StepGraph graph = build_step(plan, batch);
  const CostModelPointer cost = default_cost_model();
  std::vector<TaskCost> costs;
  step_costs(graph, plan.view(), *cost, costs);
  const std::vector<CostLevel> levels = {{false, false, false}, {true, false, false}, {true, true, false}, {}};
  const std::vector<Seconds> repeated = execution_times(graph, plan.view(), costs, levels);
  double worst = 0;
  for (std::size_t i = 0; i < levels.size(); ++i) {
    const double run = execute(graph, plan.view(), *cost, levels[i]).total.value;
    worst = std::max(worst, std::abs(repeated[i].value / run - 1));
  }
  return worst;
}

RC_GTEST_PROP(StepRepeats, TakeAsLongAsRuns, ()) {
  const std::string model =
      *rc::gen::element<std::string>("Mixtral-8x7B", "DeepSeek-V2-Lite", "Qwen3-30B", "MiniMax-Text-01");
  const HybridDescription description = any_hybrid();
  const Machine machine = any_host_machine();
  const double sequences = *rc::gen::inRange(1, 400);
  const double tokens = std::pow(2, *rc::gen::inRange(0, 13));
  const bool decodes = *rc::gen::element(true, true, false);
  RC_LOG() << model << ", " << description.batches << " batches";
  RC_ASSERT(worst_repeat(preset(model), description, machine,
                         decodes ? Batch::decode(sequences, tokens) : Batch::prefill(sequences, tokens)) < 1e-9);
}

// At peak rates copies take no time, and what they bring is there as soon as something else ends. Wrong where tasks
// that are started as one let go ahead what became ready after the first of them had ended.
TEST(StepRepeats, WhatEndsAtOneMomentComesInOneOrder) {
  HybridDescription is;
  is.name = "test";
  is.prefetch_accuracy = 0.75;
  is.prefetch_extra = 0.5;
  is.deferred = 0.375;
  is.cache_on_device = is.host_attention = is.activations_on_device = 0;
  is.buffered_layers = 1;
  is.batches = 40;
  is.device_layers = 2;
  is.cache_on_storage = 0.3;
  const Machine machine = host_machine(factor(-29), factor(-30), factor(-30), factor(-29));
  for (const MissingExperts missing : {MissingExperts::streamed, MissingExperts::fetched, MissingExperts::host,
                                       MissingExperts::cheaper, MissingExperts::balanced}) {
    for (const CopyKind copies : {CopyKind::pinned, CopyKind::staged, CopyKind::pageable}) {
      for (const double sequences : {2, 5}) {
        is.missing = missing;
        is.copies = copies;
        EXPECT_LT(worst_repeat(preset("Mixtral-8x7B"), is, machine, Batch::decode(sequences, 1)), 1e-9)
            << to_text(missing) << ", " << to_text(copies) << ", " << sequences;
      }
    }
  }
}

/// Tasks of a layer from a batch on, of one batch after another; what all batches share stays with who brought it.
std::vector<std::uint32_t> begins_of_batches(const StepGraph& graph, const LayerGraph& layer) {
  std::vector<std::uint32_t> begins;
  for (std::uint32_t i = 0; i < layer.count; ++i) {
    while (begins.size() <= graph.tasks_of(layer)[i].batch) {
      begins.push_back(i);
    }
  }
  begins.push_back(layer.count);
  return begins;
}

// Of several equal batches all behind the second are copies; where there are two, nothing is. Both have the same tasks,
// which wait for the same, for a batch of as many tokens.
RC_GTEST_PROP(CopiesOfBatches, AreWhatIsPlaced, ()) {
  const Architecture architecture =
      preset(*rc::gen::element<std::string>("Mixtral-8x7B", "DeepSeek-V2-Lite", "MiniMax-Text-01"));
  HybridDescription description = any_hybrid();
  description.weights_on_storage = description.cache_on_storage = 0;  // drives are one batch's queue
  const Machine machine = any_host_machine();
  const double sequences = *rc::gen::inRange(1, 20), tokens = *rc::gen::inRange(1, 3000);
  const int batches = *rc::gen::inRange(3, 20);
  const auto graph_of = [&](int parts) {
    description.batches = parts;
    const StepPlan plan(architecture, architecture.precision, machine, {}, hybrid_placement(description));
    return build_step(plan, Batch::decode(sequences * parts, tokens));
  };
  const StepGraph two = graph_of(2), several = graph_of(batches);
  for (std::size_t i = 0; i < two.layers.size(); ++i) {
    const std::vector<std::uint32_t> placed = begins_of_batches(two, two.layers[i]);
    const std::vector<std::uint32_t> copied = begins_of_batches(several, several.layers[i]);
    RC_ASSERT(placed.size() == 3U);
    RC_ASSERT(copied.size() == static_cast<std::size_t>(batches) + 1);
    for (std::size_t batch = 1; batch + 1 < copied.size(); ++batch) {
      const std::uint32_t stride = placed[2] - placed[1];
      RC_ASSERT(copied[batch + 1] - copied[batch] == stride);
      for (std::uint32_t task = 0; task < stride; ++task) {
        const Task& one = two.tasks_of(two.layers[i])[placed[1] + task];
        const Task& other = several.tasks_of(several.layers[i])[copied[batch] + task];
        RC_ASSERT(other.op.label == one.op.label);
        RC_ASSERT(other.queue == one.queue);
        RC_ASSERT(other.sets == one.sets);
        RC_ASSERT(other.work.flops == one.work.flops);
        RC_ASSERT(other.demands.size() == one.demands.size());
        for (std::size_t d = 0; d < one.demands.size(); ++d) {
          RC_ASSERT(other.demands[d].resource == one.demands[d].resource);
          RC_ASSERT(std::abs(other.demands[d].amount - one.demands[d].amount) <= 1e-9 * one.demands[d].amount);
        }
        RC_ASSERT(other.waits.size() == one.waits.size());
        RC_ASSERT(other.after.size() == one.after.size());
        for (std::size_t a = 0; a < one.after.size(); ++a) {
          const bool own = one.after[a] >= placed[1];
          RC_ASSERT(other.after[a] == (own ? one.after[a] - placed[1] + copied[batch] : one.after[a]));
        }
      }
    }
  }
}

}  // namespace
}  // namespace moesaic
