#include "sim/offload_rows.hpp"

#include <algorithm>
#include <cmath>
#include <map>

#include "base/error.hpp"

namespace moesaic {
namespace {

Batch batch_of(const Load& load, Phase phase) {
  const double batch = static_cast<double>(load.batch), input = static_cast<double>(load.input);
  if (phase == Phase::decode) {
    return Batch::decode(batch, input + static_cast<double>(load.output - 1) / 2);
  }
  const double tokens = static_cast<double>(load.step_tokens);
  return input > tokens ? Batch::prefill(1, tokens)
                        : Batch::prefill(std::min(batch, std::floor(tokens / input)), input);
}

}  // namespace

OffloadRow offload_row(const OffloadQuestion& question, const OffloadCandidate& candidate) {
  const Deployment deployment = deployment_of(question, candidate.description);
  OffloadRow row{.candidate = candidate, .prediction = predict(deployment, candidate.load)};
  const StepPlan& plan = deployment.plan;
  row.experts = count_experts(plan);
  for (std::size_t i = 0; i < plan.architecture().kinds.size(); ++i) {
    const LayerWeights& weights = plan.layer_parts(i);
    row.experts_on_device += weights.expert_count *
                             static_cast<double>(plan.architecture().count_of_kind(static_cast<int>(i))) *
                             (weights.on_device ? 1 : plan.placement().homes().experts_on_device);
  }
  row.experts_on_device = std::round(row.experts_on_device);
  try {
    const Load& load = candidate.load;
    row.stream = predict_stream(deployment, {.prompt = load.input, .generated = load.output, .running = load.batch});
  } catch (const UserError&) {
    // Not so many at once.
  }
  return row;
}

std::vector<ResourceWork> resource_work(const Deployment& deployment, const Load& load, Phase phase) {
  const MachineView& view = deployment.plan.view();
  const StepGraph graph = build_step(deployment.plan, batch_of(load, phase));
  std::map<ResourceId, std::map<std::string, double>> seconds;
  for (const LayerGraph& layer : graph.layers) {
    for (const Task& task : graph.tasks_of(layer)) {
      for (const Demand& demand : task.demands) {
        seconds[demand.resource][task.op.label] +=
            demand.amount / view.resources[demand.resource].capacity * layer.executions;
      }
    }
  }
  std::vector<ResourceWork> works;
  for (const auto& [resource, labels] : seconds) {
    ResourceWork work;
    work.resource = view.resources[resource].path;
    work.way = resource == view.host_to_device ? "to the device" : resource == view.device_to_host ? "to the host" : "";
    double most = 0;
    for (const auto& [label, busy] : labels) {
      work.busy += Seconds{busy};
      if (busy > most) {
        most = busy;
        work.most = label;
      }
    }
    if (most > 0) {
      work.share = most / work.busy.value;
      works.push_back(std::move(work));
    }
  }
  std::stable_sort(works.begin(), works.end(),
                   [](const ResourceWork& a, const ResourceWork& b) { return a.busy > b.busy; });
  return works;
}

}  // namespace moesaic
