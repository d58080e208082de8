// Layers and batches that are added without being run take as long as those that are run.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

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

double any_factor() { return std::pow(2, *rc::gen::inRange(-30, 31) / 10.0); }

/// A device with a host, every part of it slower or faster than it is.
Machine any_host_machine() {
  Machine machine = machine_named("xeon-8380-a40");
  const double memory = any_factor(), link = any_factor(), device = any_factor();
  machine.host->memory.bandwidth *= memory;
  machine.host->cpu.memory_bandwidth *= memory;
  machine.device.host_link->bandwidth *= link;
  Memory storage;
  storage.capacity = Bytes{1e13};
  storage.bandwidth = BytesPerSecond{7e9 * any_factor()};
  machine.host->storage = storage;
  machine.device.memory.bandwidth *= device;
  machine.device.units.front().memory_bandwidth *= device;
  return machine;
}

RC_GTEST_PROP(StepRepeats, TakeAsLongAsRuns, ()) {
  const std::string model =
      *rc::gen::element<std::string>("Mixtral-8x7B", "DeepSeek-V2-Lite", "Qwen3-30B", "MiniMax-Text-01");
  const Architecture architecture = preset(model);
  const HybridDescription description = any_hybrid();
  const StepPlan plan(architecture, architecture.precision, any_host_machine(), {}, hybrid_placement(description));
  const double sequences = *rc::gen::inRange(1, 400);
  const double tokens = std::pow(2, *rc::gen::inRange(0, 13));
  const bool decodes = *rc::gen::element(true, true, false);
  const StepGraph graph =
      build_step(plan, decodes ? Batch::decode(sequences, tokens) : Batch::prefill(sequences, tokens));
  const CostModelPointer cost = default_cost_model();
  std::vector<TaskCost> costs;
  step_costs(graph, plan.view(), *cost, costs);
  const std::vector<CostLevel> levels = {{false, false, false}, {true, false, false}, {true, true, false}, {}};
  const std::vector<Seconds> repeated = execution_times(graph, plan.view(), costs, levels);
  for (std::size_t i = 0; i < levels.size(); ++i) {
    const double run = execute(graph, plan.view(), *cost, levels[i]).total.value;
    RC_LOG() << model << ", " << description.batches << " batches, level " << i << ": " << run << " s, "
             << repeated[i].value / run - 1;
    RC_ASSERT(std::abs(repeated[i].value / run - 1) < 1e-9);
  }
}

}  // namespace
}  // namespace moesaic
