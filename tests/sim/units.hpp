// Devices with a unit beside their memory and the times of their steps, for tests.
#pragma once

#include <string>

#include "base/catalog.hpp"
#include "model/near_memory_description.hpp"
#include "sim/predict.hpp"
#include "tests/model/replicas.hpp"

namespace moesaic::units {

inline const char* const kNearMemoryModels[] = {"Mixtral-8x7B", "DeepSeek-V2-Lite", "Qwen3-30B", "Llama-3.1-8B"};

inline CostModelPointer ideal() { return load_cost_model("ideal", machine_named("duplex-4")); }

inline NearMemoryDescription described(UnitChoice attention, UnitChoice experts,
                                       UnitChoice others = UnitChoice::processor) {
  NearMemoryDescription result;
  result.name = "test";
  result.decode = result.mixed = {attention, experts, others};
  return result;
}

inline double step(const std::string& model, const PlacementPointer& placement, const Batch& batch,
                   const Machine& machine = machine_named("duplex-4"), const CostModelPointer& cost = ideal()) {
  const Architecture architecture = preset(model);
  const StepPlan plan(architecture, architecture.precision, machine, {}, placement);
  return execute(build_step(plan, batch), plan.view(), *cost).total.value;
}

inline const Batch kBatches[] = {Batch::decode(1, 100), Batch::decode(32, 2000), Batch::decode(256, 300),
                                 Batch::prefill(2, 1000), Batch{{{2, 700, 0}, {30, 1, 900}, {3, 1, 50}}}};

}  // namespace moesaic::units
