#include <algorithm>
#include <cmath>
#include <string>

#include "base/error.hpp"
#include "sim/predict.hpp"

namespace moesaic {
namespace {

void check_range(const char* option, std::int64_t value, std::int64_t most) {
  if (value < 1 || value > most) {
    throw UserError(std::string(option) + ": " + std::to_string(value) + " is not a whole number from 1 to " +
                    std::to_string(most));
  }
}

void reset(StepTimes& times) {
  times.ideal = times.efficient = times.launched = times.total = Seconds{0};
  times.busy.clear();
}

void reset(PhaseTimes& phase) {
  phase.limit = phase.limit_resource = phase.limit_path = phase.unchunked = phase.predicted = Seconds{0};
  phase.balanced_busy.clear();
  phase.steps = 1;
  reset(phase.whole);
}

}  // namespace

void check(const Load& load) {
  check_range("--batch", load.batch, 1 << 24);
  check_range("--input", load.input, 1 << 28);
  check_range("--output", load.output, 1 << 28);
  check_range("--step-tokens", load.step_tokens, 1 << 28);
}

void Predictor::evaluate(const Batch& batch, double weight, StepGraph& graph, StepTimes& sum) {
  builder_.build(batch, {}, graph);
  evaluate_step(graph, deployment_.plan.view(), *deployment_.cost, step_);
  sum.add(step_, weight);
}

/// Adds the limit of one step: a bound holds for each step, so the mean of the bounds bounds the mean.
void Predictor::evaluate_limit(const Batch& batch, double weight, StepGraph& graph, PhaseTimes& phase) {
  evaluate(batch, weight, graph, phase.whole);
  if (!balanced_is_actual_) {
    builder_.build(batch, {.balanced_routing = true}, graph);
    evaluate_ideal(graph, deployment_.plan.view(), *deployment_.cost, step_);
  }
  double resource = 0;
  phase.balanced_busy.resize(step_.busy.size());
  for (std::size_t i = 0; i < step_.busy.size(); ++i) {
    resource = std::max(resource, step_.busy[i]);
    phase.balanced_busy[i] += step_.busy[i] * weight;
  }
  phase.limit_resource += Seconds{resource * weight};
  phase.limit_path += step_.ideal * weight;
  phase.limit += Seconds{std::max(resource, step_.ideal.value) * weight};
}

/// Prefill of the whole batch in steps of at most load.step_tokens tokens a group: several whole prompts of those that
/// run at once, spread evenly over the fewest steps, or one prompt in chunks over its growing context. Even steps never
/// take longer when more may run at once, as far as a larger step is never slower per prompt; a few measured kernels
/// are.
Seconds Predictor::in_steps(const Load& load, double running, double& steps) {
  const double groups = deployment_.plan.mapping().data, batch = static_cast<double>(load.batch);
  const double input = static_cast<double>(load.input), budget = static_cast<double>(load.step_tokens);
  const double per_group = std::ceil(batch / groups);
  StepTimes sum;
  const auto add = [&](double prompts, double new_tokens, double context, double count) {
    if (count > 0) {
      batch_.groups.assign(1, {std::min(batch, prompts * groups), new_tokens, context});
      evaluate(batch_, count, prefill_step_, sum);
    }
  };
  if (input <= budget) {
    steps = std::ceil(per_group / std::min(std::floor(budget / input), std::ceil(running / groups)));
    const double prompts = std::floor(per_group / steps), larger = per_group - prompts * steps;
    add(prompts + 1, input, 0, larger);
    add(prompts, input, 0, steps - larger);
    return sum.total;
  }
  const double full = std::floor(input / budget), rest = input - full * budget;
  // Chunk i starts at context i * budget: the mean over i, as over the steps of a generation.
  mean_nodes({}, 0, full - 1, nodes_);
  for (const Node& node : nodes_) {
    add(1, budget, node.context * budget, node.weight * full * per_group);
  }
  add(1, rest, full * budget, rest > 0 ? per_group : 0);
  steps = (full + (rest > 0)) * per_group;
  return sum.total;
}

void Predictor::prefill(const Load& load, double running, double waves) {
  PhaseTimes& phase = times_.prefill;
  const double input = static_cast<double>(load.input), batch = static_cast<double>(load.batch);
  batch_.groups.assign(1, {batch, input, 0});
  evaluate_limit(batch_, 1, prefill_step_, phase);
  phase.unchunked = phase.whole.total;
  if (running < batch) {
    StepTimes once;
    batch_.groups.assign(1, {running, input, 0});
    evaluate(batch_, waves, prefill_step_, once);
    phase.unchunked = once.total;
  }
  const bool one_step = running == batch && std::ceil(batch / deployment_.plan.mapping().data) * input <=
                                                static_cast<double>(load.step_tokens);
  phase.predicted = one_step ? phase.unchunked : in_steps(load, running, phase.steps);
}

void Predictor::decode(const Load& load, double running, double waves) {
  PhaseTimes& phase = times_.decode;
  const double first = static_cast<double>(load.input);
  const double last = first + static_cast<double>(std::max<std::int64_t>(load.output - 2, 0));
  mean_nodes(deployment_.plan.architecture(), first, last, nodes_);
  for (const Node& node : nodes_) {
    batch_.groups.assign(1, {static_cast<double>(load.batch), 1, node.context});
    evaluate_limit(batch_, node.weight, decode_step_, phase);
  }
  phase.unchunked = phase.whole.total;
  if (running < static_cast<double>(load.batch)) {
    StepTimes part;
    for (const Node& node : nodes_) {
      batch_.groups.assign(1, {running, 1, node.context});
      evaluate(batch_, node.weight * waves, decode_step_, part);
    }
    phase.unchunked = part.total;
  }
  phase.predicted = phase.unchunked;
  phase.steps = static_cast<double>(load.output - 1) * waves;
}

MemoryLoad Predictor::memory_load(const Load& load, double sequences) const {
  return {.sequences = sequences,
          .context = static_cast<double>(load.input + load.output),
          .prompt = static_cast<double>(load.input),
          .step_tokens = static_cast<double>(load.step_tokens),
          .reserve_fraction = deployment_.cost->reserve_fraction()};
}

const LoadTimes& Predictor::times(const Load& load) {
  check(load);
  const double batch = static_cast<double>(load.batch);
  times_.fits = replica_memory(deployment_.plan, memory_load(load, batch)).fits();
  times_.running = times_.fits ? batch : std::min(batch, largest_batch(deployment_.plan, memory_load(load, batch)));
  times_.end_to_end = Seconds{0};
  reset(times_.prefill);
  reset(times_.decode);
  if (times_.running <= 0) {
    times_.waves = 0;
    return times_;
  }
  const double groups = deployment_.plan.mapping().data;
  times_.waves = std::ceil(batch / groups) / std::ceil(times_.running / groups);
  prefill(load, times_.running, times_.waves);
  decode(load, times_.running, times_.waves);
  times_.end_to_end = times_.prefill.predicted + times_.decode.predicted * static_cast<double>(load.output - 1);
  return times_;
}

}  // namespace moesaic
