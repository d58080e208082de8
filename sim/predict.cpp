#include "sim/predict.hpp"

#include <algorithm>

namespace moesaic {
namespace {

/// Path of the figure behind a resource; of a unit's arithmetic, with the format that it spends most time in.
std::string figure_path(const StepGraph& graph, const MachineView& view, std::size_t resource) {
  const Resource& chosen = view.resources[resource];
  if (chosen.kind != ResourceKind::arithmetic) {
    return chosen.path;
  }
  PerDType<double> seconds{};
  for (const LayerGraph& layer : graph.layers) {
    for (const Task& task : graph.tasks_of(layer)) {
      if (!task.communication && view.units[task.unit].arithmetic == resource) {
        const auto format =
            static_cast<std::size_t>(view.units[task.unit].runs_in[static_cast<std::size_t>(task.work.arithmetic)]);
        seconds[format] += task.demands[0].amount * layer.executions;
      }
    }
  }
  const auto longest = std::max_element(seconds.begin(), seconds.end()) - seconds.begin();
  return chosen.path + "." + std::string(name(static_cast<DType>(longest)));
}

std::size_t busiest(const std::vector<double>& busy, const MachineView& view, bool links) {
  std::size_t best = 0;
  double most = -1;
  for (std::size_t i = 0; i < busy.size(); ++i) {
    if ((view.resources[i].kind == ResourceKind::link) == links && busy[i] > most) {
      most = busy[i];
      best = i;
    }
  }
  return best;
}

/// Bars between rungs that never go below the limit or above the prediction, so that none is negative and they add up
/// to prediction - limit exactly. A rung can lie above: a smaller batch or shorter prefill steps can cost less per
/// token.
std::vector<WaterfallBar> waterfall(const PhaseTimes& times, const StepGraph& graph, const Deployment& deployment) {
  const MachineView& view = deployment.plan.view();
  const std::string worker = figure_path(graph, view, busiest(times.whole.busy, view, false));
  const std::size_t link = busiest(times.whole.busy, view, true);
  const std::string wire =
      view.resources[link].kind == ResourceKind::link ? view.resources[link].path : "device.scale_up.bandwidth";
  const std::string unit = "device.units." + view.units[0].name + ".launch_latency";
  std::vector<WaterfallBar> bars;
  Seconds reached = times.limit;
  const auto add = [&](const char* id, const char* label, Seconds rung, const std::string& resource) {
    const Seconds next = std::max(reached, std::min(rung, times.predicted));
    bars.push_back({id, label, next - reached, resource});
    reached = next;
  };
  add("routing_imbalance", "routing imbalance", times.whole.ideal, worker);
  add("kernel_efficiency", "kernel efficiency", times.whole.efficient, worker);
  add("launch_latency", "launch and latency", times.whole.launched, unit);
  add("communication", "exposed communication and copies", times.whole.total, wire);
  add("capacity", "capacity: a smaller batch than wanted", times.unchunked, "device.memory.capacity");
  add("scheduling", "scheduling: chunked prefill", times.predicted, "step_tokens");
  bars.back().seconds += times.predicted - reached;  // the last rung is the prediction, up to rounding
  return bars;
}

}  // namespace

std::string cost_name(const Deployment& deployment) {
  return deployment.cost->name() + (deployment.plan.features().layers_only ? ", layers alone" : "");
}

void PhaseTimes::add_limit(const StepTimes& step, double weight) {
  double resource = 0;
  balanced_busy.resize(step.busy.size());
  for (std::size_t i = 0; i < step.busy.size(); ++i) {
    resource = std::max(resource, step.busy[i]);
    balanced_busy[i] += step.busy[i] * weight;
  }
  limit_resource += Seconds{resource * weight};
  limit_path += step.ideal * weight;
  limit += Seconds{std::max(resource, step.ideal.value) * weight};
}

PhasePrediction phase_prediction(const PhaseTimes& times, const StepGraph& graph, const Deployment& deployment) {
  const MachineView& view = deployment.plan.view();
  PhasePrediction phase;
  phase.seconds = times.predicted;
  phase.steps = times.steps;
  phase.limit.seconds = times.limit;
  phase.limit.resource_seconds = times.limit_resource;
  phase.limit.critical_path_seconds = times.limit_path;
  const std::size_t limiting = static_cast<std::size_t>(
      std::max_element(times.balanced_busy.begin(), times.balanced_busy.end()) - times.balanced_busy.begin());
  phase.limit.resource = figure_path(graph, view, limiting);
  phase.waterfall = waterfall(times, graph, deployment);
  for (std::size_t i = 0; i < times.whole.busy.size(); ++i) {
    if (times.whole.busy[i] > 0) {
      phase.resources.push_back({figure_path(graph, view, i), times.whole.busy[i] / times.predicted.value});
    }
  }
  return phase;
}

namespace {

/// Power of the replica in a phase: every device between idle and maximum by its busiest resource's utilisation, the
/// host likewise, in the replica's share of it.
Watts power(const PhaseTimes& times, const Deployment& deployment) {
  const MachineView& view = deployment.plan.view();
  const Machine& machine = deployment.plan.machine();
  double device = 0, host = 0;
  for (std::size_t i = 0; i < times.whole.busy.size(); ++i) {
    if (view.resources[i].kind == ResourceKind::link) {
      continue;
    }
    double& slot = view.resources[i].path.starts_with("host.") ? host : device;
    slot = std::max(slot, std::min(1.0, times.whole.busy[i] / times.predicted.value));
  }
  const double devices = deployment.plan.mapping().devices();
  const Power& of_device = machine.device.power;
  Watts total = (of_device.idle + (of_device.max - of_device.idle) * device) * devices;
  if (machine.host) {
    const Power& of_host = machine.host->power;
    total += (of_host.idle + (of_host.max - of_host.idle) * host) * (devices / machine.devices);
  }
  return total;
}

bool states_energy(const MachineView& view) {
  return view.scale_up_energy > JoulesPerByte{} || view.network_energy > JoulesPerByte{} ||
         view.host_link_energy > JoulesPerByte{} ||
         std::any_of(view.units.begin(), view.units.end(),
                     [](const UnitView& unit) { return unit.energy_of_bytes > JoulesPerByte{}; });
}

/// Per output token, of `batch` requests that run at once. Devices together do what balanced ones do; a step in the
/// middle of the generation is their mean.
WorkEnergy energy_of_work(const Deployment& deployment, const Load& load, double batch) {
  const StepPlan& plan = deployment.plan;
  const double input = static_cast<double>(load.input);
  const double tokens = static_cast<double>(load.output);
  const double middle = input + (std::max(tokens, 2.0) - 2) / 2;
  constexpr StepOptions kEven{.balanced_routing = true};
  const auto step = [&](double new_tokens, double context) {
    return work_energy(build_step(plan, {{{batch, new_tokens, context}}}, kEven), plan.view());
  };
  WorkEnergy energy;
  if (!states_energy(plan.view())) {
    return energy;
  }
  const double share = plan.mapping().stage_devices() / (batch * tokens);  // a step has the layers of all stages
  energy.add(step(input, 0), share);
  energy.add(step(1, middle), share * (tokens - 1));
  return energy;
}

}  // namespace

Prediction predict(const Deployment& deployment, const Load& load) {
  const StepPlan& plan = deployment.plan;
  Predictor predictor(deployment);
  const LoadTimes& times = predictor.times(load);
  const double batch = static_cast<double>(load.batch), output = static_cast<double>(load.output);
  Prediction result;
  result.model = plan.architecture().name;
  result.machine = plan.machine().name;
  result.mapping = to_text(plan.mapping());
  result.placement = plan.placement().name();
  result.precision = to_text(plan.precision());
  result.cost_model = cost_name(deployment);
  result.devices = plan.mapping().devices();
  result.load = load;
  result.fits = times.fits;
  result.memory = replica_memory(plan, predictor.memory_load(load, batch));
  result.running_batch = times.running;
  if (times.running <= 0) {
    return result;
  }

  result.prefill = phase_prediction(times.prefill, predictor.prefill_step(), deployment);
  result.decode = phase_prediction(times.decode, predictor.decode_step(), deployment);
  result.ttft = times.prefill.predicted / times.waves;
  result.tpot = times.decode.predicted / times.waves;
  result.end_to_end = times.end_to_end;
  result.output_tokens = PerSecond{batch * output / times.end_to_end.value};
  result.total_tokens = result.output_tokens * (static_cast<double>(load.input) / output + 1);
  result.output_tokens_per_device = result.output_tokens / static_cast<double>(result.devices);
  result.decode_tokens = PerSecond{batch / times.decode.predicted.value};

  const double steps = output - 1;
  const Seconds prefill_limit = result.prefill.limit.seconds, decode_limit = result.decode.limit.seconds;
  KindSpreads whole = kind_spreads(predictor.prefill_step(), plan.view(), *deployment.cost);
  result.ttft_interval = interval_of(whole.relative(), prefill_limit / result.prefill.seconds);
  const KindSpreads step = kind_spreads(predictor.decode_step(), plan.view(), *deployment.cost);
  result.tpot_interval = interval_of(step.relative(), decode_limit / result.decode.seconds);
  whole.add(step, steps);
  result.end_to_end_interval =
      interval_of(whole.relative(),
                  (prefill_limit + decode_limit * steps) / (result.prefill.seconds + result.decode.seconds * steps));

  const Joules energy = power(times.prefill, deployment) * times.prefill.predicted +
                        power(times.decode, deployment) * (times.decode.predicted * steps);
  result.energy_per_token = energy / (batch * output);
  result.work_energy = energy_of_work(deployment, load, times.running);
  const Dollars price = plan.machine().price_per_device() * static_cast<double>(result.devices) * times.end_to_end;
  result.per_million_tokens = price / (batch * output) * 1e6;
  return result;
}

}  // namespace moesaic
