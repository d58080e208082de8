// What would fit, where a prediction does not: found by trying.
#include <cmath>

#include "base/error.hpp"
#include "model/hybrid_description.hpp"
#include "sim/offload_fit.hpp"
#include "sim/predict.hpp"

namespace moesaic {
namespace {

/// Whether some class of tensors takes fewer bits, and none more.
bool narrower(const Precision& one, const Precision& than) {
  bool fewer = false;
  for (StorageType Precision::*const stored :
       {&Precision::attention_weights, &Precision::dense_weights, &Precision::expert_weights, &Precision::kv}) {
    if ((one.*stored).bits > (than.*stored).bits) {
      return false;
    }
    fewer = fewer || (one.*stored).bits < (than.*stored).bits;
  }
  return fewer;
}

/// The mapping that is used when none is given, then every split of the devices into tensor and data parallelism, which
/// divides caches that tensor parallelism does not; experts are spread where attention is.
std::vector<Mapping> mappings_of(const Architecture& architecture, int devices, std::int64_t batch) {
  const Mapping usual = default_mapping(architecture, devices);
  std::vector<Mapping> mappings{usual};
  for (int tensor = devices / 2; tensor >= 1 && devices / tensor <= batch; tensor /= 2) {
    for (const int expert : {devices, 1}) {
      mappings.push_back({.tensor = tensor, .data = devices / tensor, .expert = expert});
    }
  }
  return mappings;
}

/// Largest share of experts on the device with which a hybrid placement fits, in whole experts of all its layers; none
/// where none fits, or no such placement asks. What is not there is on the host, which may be the one that is short.
template <class Needs>
std::optional<double> most_experts(const StepPlan& plan, Needs needs) {
  const HybridDescription* asked = plan.placement().hybrid();
  const double experts = count_experts(plan);
  if (asked == nullptr || asked->on_host || experts <= 0) {
    return std::nullopt;
  }
  StepPlan tried = plan;
  const auto with = [&](double count) -> ReplicaMemory {
    HybridDescription is = *asked;
    is.experts_on_device = count / experts;
    tried.place(hybrid_placement(is));
    return needs(tried);
  };
  double low = 0, high = experts;
  while (high - low > 1) {
    const double middle = std::floor((low + high) / 2);
    (with(middle).device.fits() ? low : high) = middle;
  }
  const double most = with(high).device.fits() ? high : low;
  return with(most).fits() ? std::optional(most / experts) : std::nullopt;
}

/// Whether the memory of a host that this placement leaves alone would hold what lacks on its devices.
bool host_has_room(const StepPlan& plan, const MemoryLoad& load) {
  const ReplicaMemory needed = replica_memory(plan, load);
  const Bytes lacking = needed.device.total() - needed.device.capacity;
  const Machine& machine = plan.machine();
  return machine.host && machine.device.host_link && plan.placement().name() == resident_placement()->name() &&
         lacking > Bytes{} && lacking * plan.mapping().devices() <= machine.host->memory.capacity;
}

}  // namespace

FitAdvice fit_advice(const Deployment& deployment, const Load& load) {
  const StepPlan& plan = deployment.plan;
  const Predictor predictor(deployment);
  const MemoryLoad wanted = predictor.memory_load(load, static_cast<double>(load.batch));
  FitAdvice advice;
  advice.largest_batch = largest_batch(plan, wanted);
  advice.longest_context = longest_context(plan, wanted);
  const auto needs = [&](const StepPlan& tried) {
    return replica_memory(tried,
                          Predictor({tried, deployment.cost}).memory_load(load, static_cast<double>(load.batch)));
  };
  const auto fits = [&](const StepPlan& tried) { return needs(tried).fits(); };
  // Every device of this mapping holds a part of the weights, so no mapping has fewer devices than hold that part.
  const MemoryFootprint& device = replica_memory(plan, wanted).device;
  Machine machine = plan.machine();
  for (int devices = 1; devices <= 4096 && !advice.fewest_devices; devices *= 2) {
    if (device.capacity * devices < device.weights) {
      continue;
    }
    machine.devices = std::max(machine.devices, devices);
    for (const Mapping& mapping : mappings_of(plan.architecture(), devices, load.batch)) {
      try {
        if (fits(StepPlan(plan.architecture(), plan.precision(), machine, mapping, plan.placement_pointer()))) {
          advice.fewest_devices = devices;
          advice.fewest_mapping = to_text(mapping);
          break;
        }
      } catch (const UserError&) {
        continue;  // the architecture cannot be mapped so
      }
    }
  }
  advice.experts_on_device = most_experts(plan, needs);
  advice.host_has_room = host_has_room(plan, wanted);
  // The least change first.
  for (const char* types :
       {"weights=fp8", "kv=fp8", "weights=int4", "weights=fp8,kv=fp8", "weights=int4,kv=fp8", "weights=int4,kv=int4"}) {
    const StepPlan smaller(plan.architecture(), parse_precision(types, plan.precision()), plan.machine(),
                           plan.mapping(), plan.placement_pointer(), "uniform", plan.exchange(), plan.features());
    if (narrower(smaller.precision(), plan.precision()) && fits(smaller)) {
      advice.smaller_type = types;
      break;
    }
  }
  return advice;
}

}  // namespace moesaic
