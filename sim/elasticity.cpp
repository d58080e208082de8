#include <algorithm>
#include <cmath>
#include <limits>

#include "base/error.hpp"
#include "hw/figures.hpp"
#include "sim/predict.hpp"

namespace moesaic {
namespace {

double log_throughput(const Deployment& deployment, const Load& load) {
  Predictor predictor(deployment);
  const LoadTimes& times = predictor.times(load);
  return times.running > 0 ? -std::log(times.end_to_end.value) : -std::numeric_limits<double>::infinity();
}

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

}  // namespace

std::vector<Elasticity> elasticities(const Deployment& deployment, const Load& load) {
  constexpr double kStep = 0.01;
  const double base = log_throughput(deployment, load);
  std::vector<Elasticity> result;
  if (!std::isfinite(base)) {
    return result;
  }
  for (const HardwareFigure& figure : hardware_figures(deployment.plan.machine())) {
    const double factor = figure.more_is_better ? 1 + kStep : 1 / (1 + kStep);
    const Deployment changed{deployment.plan.on(scale_figure(deployment.plan.machine(), figure.path, factor)),
                             deployment.cost};
    const double effect = (log_throughput(changed, load) - base) / std::log1p(kStep);
    result.push_back({figure.path, std::abs(effect) < 1e-9 ? 0 : effect});
  }
  std::stable_sort(result.begin(), result.end(),
                   [](const Elasticity& a, const Elasticity& b) { return a.throughput > b.throughput; });
  return result;
}

std::vector<SweepPoint> sweep_batch(const Deployment& deployment, const Load& load) {
  std::vector<SweepPoint> points;
  Predictor predictor(deployment);
  const std::int64_t most = std::max<std::int64_t>(256, load.batch * 4);
  for (std::int64_t batch = 1; batch <= most && batch <= (1 << 24); batch *= 2) {
    Load tried = load;
    tried.batch = batch;
    const LoadTimes& times = predictor.times(tried);
    SweepPoint point;
    point.batch = static_cast<double>(batch);
    point.fits = times.fits;
    if (times.running > 0) {
      const double tokens = static_cast<double>(batch * load.output), steps = static_cast<double>(load.output - 1);
      point.output_tokens = PerSecond{tokens / times.end_to_end.value};
      point.limit_output_tokens = PerSecond{tokens / (times.prefill.limit + times.decode.limit * steps).value};
      point.tpot = times.decode.predicted / times.waves;
      point.limit_tpot = times.decode.limit;
      point.ttft = times.prefill.predicted / times.waves;
      point.limit_ttft = times.prefill.limit;
    }
    points.push_back(point);
  }
  return points;
}

FitAdvice fit_advice(const Deployment& deployment, const Load& load) {
  const StepPlan& plan = deployment.plan;
  const Predictor predictor(deployment);
  const MemoryLoad wanted = predictor.memory_load(load, static_cast<double>(load.batch));
  FitAdvice advice;
  advice.largest_batch = largest_batch(plan, wanted);
  advice.longest_context = longest_context(plan, wanted);
  const auto fits = [&](const StepPlan& tried) {
    return replica_memory(tried, Predictor({tried, deployment.cost}).memory_load(load, static_cast<double>(load.batch)))
        .fits();
  };
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
