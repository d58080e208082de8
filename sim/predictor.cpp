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

/// What the limit takes: even routing, and no overlap, which only adds work (see docs/architecture.md).
constexpr StepOptions kBound{.balanced_routing = true, .overlap = false};

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

/// A pass of the batch through its slowest stage; returns what the way through the others takes besides.
Seconds Predictor::evaluate_prefill(double weight, StepTimes& sum) {
  steps_.pass(batch_, {}, prefill_step_, pass_);
  sum.add(pass_.slowest, weight);
  return pass_.through.total - pass_.slowest.total;
}

Batch& Predictor::micro_batch(double sequences, double context) {
  const Mapping& mapping = deployment_.plan.mapping();
  double each = sequences;
  micro_batches_ = 1;
  if (mapping.pipeline > 1) {
    const double of_group = std::ceil(sequences / mapping.data);
    micro_batches_ = decode_micro_batches(mapping.pipeline, of_group);
    each = std::min(sequences, std::ceil(of_group / micro_batches_) * mapping.data);
    steps_.at_work(micro_batches_);
  }
  batch_.groups.assign(1, {each, 1, context});
  return batch_;
}

void Predictor::evaluate_decode(double sequences, double context, double weight, StepTimes& sum) {
  steps_.pass(micro_batch(sequences, context), {}, decode_step_, pass_);
  round_of(pass_, micro_batches_, step_);
  sum.add(step_, weight);
}

double Predictor::steps_of_prefill(const Load& load, double running) const {
  const Mapping& mapping = deployment_.plan.mapping();
  const double input = static_cast<double>(load.input), budget = static_cast<double>(load.step_tokens);
  const double groups = mapping.data, per_group = std::ceil(static_cast<double>(load.batch) / groups);
  if (input <= budget) {
    return prefill_steps(mapping.pipeline, per_group,
                         std::min(std::floor(budget / input), std::ceil(running / groups)));
  }
  return std::ceil(input / budget) * per_group;
}

/// Prefill of the whole batch in steps of at most load.step_tokens tokens a group: several whole prompts of those that
/// run at once, spread evenly over the fewest steps, or one prompt in chunks over its growing context. Steps follow
/// each other through the pipeline's stages: each takes as long as its slowest stage, and the way through the others
/// comes once; there are at least as many steps as stages, as far as there are prompts. Even steps never take longer
/// when more may run at once, as far as a larger step is never slower per prompt; a few measured kernels are.
Seconds Predictor::in_steps(const Load& load, double running, double& steps) {
  const double groups = deployment_.plan.mapping().data, batch = static_cast<double>(load.batch);
  const double input = static_cast<double>(load.input), budget = static_cast<double>(load.step_tokens);
  const double per_group = std::ceil(batch / groups);
  steps = steps_of_prefill(load, running);
  StepTimes sum;
  Seconds filling;
  const auto add = [&](double prompts, double new_tokens, double context, double count) {
    if (count > 0) {
      batch_.groups.assign(1, {std::min(batch, prompts * groups), new_tokens, context});
      Seconds others = evaluate_prefill(count, sum);
      if (steps_.shares_host()) {  // when the first step comes and the last one leaves, few stages have work
        StepTimes alone;
        steps_.at_work(1);
        others = std::min(others, evaluate_prefill(1, alone));
        steps_.at_work(steps);
      }
      filling = std::max(filling, others);
    }
  };
  if (input <= budget) {
    const double prompts = std::floor(per_group / steps), larger = per_group - prompts * steps;
    add(prompts + 1, input, 0, larger);
    add(prompts, input, 0, steps - larger);
    return sum.total + filling;
  }
  const double full = std::floor(input / budget), rest = input - full * budget;
  // Chunk i starts at context i * budget: the mean over i, as over the steps of a generation.
  mean_nodes({}, 0, full - 1, nodes_);
  for (const Node& node : nodes_) {
    add(1, budget, node.context * budget, node.weight * full * per_group);
  }
  add(1, rest, full * budget, rest > 0 ? per_group : 0);
  return sum.total + filling;
}

void Predictor::prefill(const Load& load, double running, double waves) {
  PhaseTimes& phase = times_.prefill;
  const Mapping& mapping = deployment_.plan.mapping();
  if (mapping.pipeline > 1) {
    steps_.at_work(steps_of_prefill(load, running));
  }
  const double input = static_cast<double>(load.input), batch = static_cast<double>(load.batch);
  const bool one_step = running == batch && mapping.pipeline == 1 &&
                        std::ceil(batch / mapping.data) * input <= static_cast<double>(load.step_tokens);
  batch_.groups.assign(1, {batch, input, 0});
  if (detail_ == TimesDetail::all || (detail_ == TimesDetail::times && one_step)) {
    evaluate_prefill(1, phase.whole);
  }
  if (detail_ != TimesDetail::times) {
    if (!limit_is_actual_ || detail_ == TimesDetail::limits) {
      steps_.ideal_pass(batch_, kBound, prefill_step_, pass_);
    }
    // However the batch is divided, the slowest stage does all of its work.
    step_ = pass_.slowest;
    phase.add_limit(step_, 1);
  }
  if (detail_ == TimesDetail::limits) {
    return;
  }
  phase.unchunked = phase.whole.total;
  if (running < batch && detail_ == TimesDetail::all) {
    StepTimes once;
    batch_.groups.assign(1, {running, input, 0});
    evaluate_prefill(waves, once);
    phase.unchunked = once.total;
  }
  phase.predicted = one_step ? phase.unchunked : in_steps(load, running, phase.steps);
}

void Predictor::decode(const Load& load, double running, double waves) {
  PhaseTimes& phase = times_.decode;
  const double first = static_cast<double>(load.input), batch = static_cast<double>(load.batch);
  const double last = first + static_cast<double>(std::max<std::int64_t>(load.output - 2, 0));
  mean_nodes(deployment_.plan.architecture(), first, last, nodes_);
  for (const Node& node : nodes_) {
    if (detail_ != TimesDetail::limits) {
      evaluate_decode(batch, node.context, node.weight, phase.whole);
    }
    if (detail_ == TimesDetail::times) {
      continue;
    }
    if (!limit_is_actual_ || detail_ == TimesDetail::limits) {
      steps_.ideal_pass(micro_batch(batch, node.context), kBound, decode_step_, pass_);
      round_of(pass_, micro_batches_, step_);
    }
    phase.add_limit(step_, node.weight);
  }
  phase.unchunked = phase.whole.total;
  if (running < batch) {
    StepTimes part;
    for (const Node& node : nodes_) {
      evaluate_decode(running, node.context, node.weight * waves, part);
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

const LoadTimes& Predictor::times(const Load& load, TimesDetail detail) {
  check(load);
  detail_ = detail;
  steps_.remember(detail == TimesDetail::all ? nullptr : pieces_);
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
