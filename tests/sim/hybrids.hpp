// Hybrid placements and the times of their steps, for tests.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/catalog.hpp"
#include "base/error.hpp"
#include "model/hybrid_description.hpp"
#include "sim/predict.hpp"
#include "tests/model/replicas.hpp"

namespace moesaic::hybrids {

inline constexpr double kHybridRounding = 1e-12;
inline const char* const kMachine = "xeon-8380-a40";
inline const std::vector<std::string> kHybridModels = {"Mixtral-8x7B", "DeepSeek-V2-Lite", "Qwen3-30B", "Llama-3.1-8B"};

inline HybridDescription described(MissingExperts missing, double device = 0) {
  HybridDescription result;
  result.name = "test";
  result.missing = missing;
  result.experts_on_device = device;
  return result;
}

struct Times {
  double prefill, decode, limit_prefill, limit_decode;
};

inline Times times(const std::string& model, const PlacementPointer& placement, const Machine& machine,
                   std::int64_t batch = 1, const CostModelPointer& cost = default_cost_model()) {
  const Architecture architecture = preset(model);
  StepPlan plan(architecture, architecture.precision, machine, {}, placement);
  plan.attain(cost->attained(plan.view()));
  const Deployment deployment{std::move(plan), cost};
  Predictor predictor(deployment);
  const LoadTimes& all = predictor.times({.batch = batch, .input = 128, .output = 64});
  return {all.prefill.predicted.value, all.decode.predicted.value, all.prefill.limit.value, all.decode.limit.value};
}

/// With memory for everything, so that only time is compared.
inline Machine roomy() {
  Machine machine = machine_named(kMachine);
  machine.device.memory.capacity = Bytes{1e13};
  machine.host->memory.capacity = Bytes{1e13};
  return machine;
}

/// One that has what the placement needs: a host, or a unit near its memory.
inline Machine machine_for(const PlacementPointer& placement) {
  Machine machine = roomy();
  try {
    placement->check(machine);
  } catch (const UserError&) {
    machine = machine_named("duplex-4");
    machine.device.memory.capacity = Bytes{1e13};
  }
  return machine;
}

inline Times times(const std::string& model, const HybridDescription& description, std::int64_t batch = 1) {
  return times(model, hybrid_placement(description), roomy(), batch);
}

inline constexpr MissingExperts kAll[] = {MissingExperts::streamed, MissingExperts::fetched, MissingExperts::host,
                                          MissingExperts::cheaper, MissingExperts::balanced};

/// Bytes that tasks of a decode step with this label bring or take, all layers together.
inline double moved(const HybridDescription& description, const std::string& label, double sequences = 4,
                    const std::string& model = "Mixtral-8x7B") {
  const Architecture architecture = preset(model);
  const StepPlan plan(architecture, architecture.precision, roomy(), {}, hybrid_placement(description));
  return over_step(build_step(plan, Batch::decode(sequences, 100)), [&](const Task& task) {
    return std::string_view(task.op.label) == label ? task.work.wire.value : 0;
  });
}

}  // namespace moesaic::hybrids
