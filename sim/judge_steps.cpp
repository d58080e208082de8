#include "sim/judge_steps.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.hpp"

namespace moesaic {
namespace {

/// Evaluates batches on one deployment.
class StepClock {
 public:
  explicit StepClock(const Deployment& deployment) : deployment_(deployment), builder_(deployment.plan) {}
  StepTimes times(const Batch& batch) {
    builder_.build(batch, {}, graph_);
    StepTimes times;
    evaluate_step(graph_, deployment_.plan.view(), *deployment_.cost, times);
    return times;
  }

 private:
  const Deployment& deployment_;
  StepBuilder builder_;
  StepGraph graph_;
};

/// Throws UserError if the requests cannot all be in memory: then the measured time holds waiting.
void check_fits(const MeasuredStep& step, const Deployment& deployment) {
  const Predictor predictor(deployment);
  const Load load{.batch = step.batch, .input = step.input, .output = step.kind == StepKind::prefill ? 1 : step.output};
  if (!replica_memory(deployment.plan, predictor.memory_load(load, static_cast<double>(step.batch))).fits()) {
    throw UserError("requests that do not all fit into memory, so that some waited");
  }
}

std::string key_of(const MeasuredStep& step) {
  return fmt::format("{} {} {} {} {}", step.device, step.stack, step.model, step.precision, step.mapping);
}

/// One engine's rows of the fitted half.
std::vector<MeasuredSum> sums_of(const std::vector<JudgedStep>& rows, const Software& software) {
  std::map<std::string, double> size;
  for (const JudgedStep& row : rows) {
    ++size[row.step.configuration()];
  }
  std::vector<MeasuredSum> sums;
  for (const JudgedStep& row : rows) {
    if (row.fitted && row.step.software == software.name) {
      // Of a closed loop every number of requests is a load of its own; other repeats are the same load again.
      const double alike = row.step.kind == StepKind::closed_loop ? 1 : size[row.step.configuration()];
      sums.push_back({row.step.measured, row.parts, 1 / alike, software.pace(row.step.device)});
    }
  }
  return sums;
}

Seconds& predicted(JudgedStep& row, StepBasis basis) { return row.predicted[static_cast<std::size_t>(basis)]; }

/// `bases`: deployments on measured kernels, default efficiencies and peak rates.
void predict_steps(const std::vector<Deployment>& bases, JudgedStep& row) {
  row.fitted = in_fitted_half(row.step.configuration());
  const std::vector<WeightedBatch> batches = steps_of(row.step, bases.front());
  const auto time = [&](const Deployment& deployment, std::vector<WeightedParts>* parts) {
    StepClock clock(deployment);
    Seconds sum;
    for (const WeightedBatch& kind : batches) {
      const StepTimes times = clock.times(kind.batch);
      sum += times.total * kind.weight;
      if (parts != nullptr) {
        parts->push_back({kind.weight, times.parts});
      }
    }
    return sum;
  };
  time(bases[0], &row.parts);
  predicted(row, StepBasis::kernels) = time_of(row.parts, {});
  predicted(row, StepBasis::efficiency) = time(bases[1], nullptr);
  predicted(row, StepBasis::peak) = time(bases[2], nullptr);
}

void predict_layer(const std::vector<Deployment>& bases, JudgedStep& row) {
  predicted(row, StepBasis::measured) = predicted(row, StepBasis::kernels) = layer_time(row.step, bases[0]);
  predicted(row, StepBasis::efficiency) = layer_time(row.step, bases[1]);
  predicted(row, StepBasis::peak) = layer_time(row.step, bases[2]);
}

}  // namespace

Seconds layer_time(const MeasuredStep& layer, const Deployment& deployment) {
  const StepPlan& plan = deployment.plan;
  const StepGraph graph =
      build_step(plan, Batch::prefill(static_cast<double>(layer.batch), static_cast<double>(layer.input)));
  const auto tasks = graph.tasks_of(graph.layers[1]);  // the first is the input part
  Seconds sum;
  for (const std::string& label : layer.operators) {
    bool any = false;
    for (const Task& task : tasks) {
      if (task.op.label == label) {
        sum += deployment.cost->cost(task, plan.view()).median();
        any = true;
      }
    }
    if (!any) {
      throw UserError(fmt::format("layers with '{}', which those of {} lack here", label, layer.model));
    }
  }
  return sum;
}

std::string_view name(StepBasis basis) {
  static constexpr std::string_view kNames[] = {"measured", "kernels", "efficiency", "peak"};
  return kNames[static_cast<std::size_t>(basis)];
}

std::vector<WeightedBatch> steps_of(const MeasuredStep& step, const Deployment& deployment) {
  const double batch = static_cast<double>(step.batch), input = static_cast<double>(step.input);
  const double generated = static_cast<double>(step.output) - 1;
  const Batch prompts = Batch::prefill(batch, input), token = Batch::decode(batch, input + generated / 2);
  switch (step.kind) {
    case StepKind::prefill:
      return {{1, prompts}};
    case StepKind::decode:
      return {{1, token}};
    case StepKind::generation:
      return {{1, prompts}, {generated, token}};
    default:
      return closed_loop_steps({.concurrency = batch,
                                .input = input,
                                .output = static_cast<double>(step.output),
                                .groups = static_cast<double>(deployment.plan.mapping().data),
                                .mixed = step.stack != "sglang"});
  }
}

StepJudgement judge_steps(const MeasuredSteps& steps, const DeployStep& deploy, const JudgeStepsOptions& options) {
  StepJudgement judgement;
  judgement.not_judged = steps.left_out;
  struct Deployed {
    std::vector<Deployment> bases;  // measured, efficiency, peak
    std::string why_not;
  };
  std::map<std::string, Deployed> deployments;
  for (const MeasuredStep& step : steps.rows) {
    Deployed& deployed = deployments[key_of(step)];
    try {
      if (deployed.bases.empty() && deployed.why_not.empty()) {
        for (const std::string& cost : {step.stack, std::string("default"), std::string("peak")}) {
          deployed.bases.push_back(deploy(step, cost));
        }
      }
    } catch (const UserError& error) {
      deployed.why_not = error.what();
    }
    try {
      if (!deployed.why_not.empty()) {
        throw UserError(deployed.why_not);
      }
      if (step.kind != StepKind::layer) {  // a layer was profiled alone, however large its network
        check_fits(step, deployed.bases.front());
      }
    } catch (const UserError& error) {
      ++judgement.not_judged[error.what()];
      continue;
    }
    JudgedStep row;
    row.step = step;
    row.kernels = deployed.bases.front().cost->name();
    try {
      if (step.kind == StepKind::layer) {
        predict_layer(deployed.bases, row);
      } else {
        predict_steps(deployed.bases, row);
      }
    } catch (const UserError& error) {
      ++judgement.not_judged[error.what()];
      continue;
    }
    judgement.rows.push_back(std::move(row));
  }

  std::vector<std::string> engines;
  for (const JudgedStep& row : judgement.rows) {
    if (row.step.kind != StepKind::layer &&
        std::find(engines.begin(), engines.end(), row.step.software) == engines.end()) {
      engines.push_back(row.step.software);
    }
  }
  const std::vector<Software> shipped = shipped_software();
  for (const std::string& engine : engines) {
    const Software* found = find_software(shipped, engine);
    const Software known = found != nullptr ? *found : Software{.name = engine, .terms = {}};
    Software fit = known;
    fit.terms = fit_software_terms(sums_of(judgement.rows, known), known.terms);
    judgement.fitted.push_back(fit);
    judgement.used.push_back(found != nullptr && !options.refit ? known : fit);
  }
  for (JudgedStep& row : judgement.rows) {
    if (row.step.kind == StepKind::layer) {
      continue;
    }
    row.predicted[0] = time_of(row.parts, find_software(judgement.used, row.step.software)->on(row.step.device));
  }
  return judgement;
}

}  // namespace moesaic
