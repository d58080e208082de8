#include "sim/pipelined_step.hpp"

#include <algorithm>
#include <array>
#include <cmath>

namespace moesaic {
namespace {

constexpr std::array<Seconds StepTimes::*, 4> kRungs = {&StepTimes::ideal, &StepTimes::efficient, &StepTimes::launched,
                                                        &StepTimes::total};

void raise(StepTimes& most, const StepTimes& other) {
  for (Seconds StepTimes::*const rung : kRungs) {
    most.*rung = std::max(most.*rung, other.*rung);
  }
  most.busy.resize(other.busy.size());
  for (std::size_t i = 0; i < other.busy.size(); ++i) {
    most.busy[i] = std::max(most.busy[i], other.busy[i]);
  }
}

}  // namespace

template <class Evaluate>
void PipelinedStep::each_stage(const StepOptions& options, StagePass& out, Evaluate evaluate) {
  if (plan_.stages().size() == 1) {
    evaluate(options, out.slowest);
    out.through = out.slowest;
    return;
  }
  out = {};
  StepOptions of_stage = options;
  for (std::size_t i = 0; i < plan_.stages().size(); ++i) {
    of_stage.stage = static_cast<int>(i);
    evaluate(of_stage, stage_);
    raise(out.slowest, stage_);
    out.through.add(stage_, plan_.stages()[i].alike);
  }
}

void PipelinedStep::pass(const Batch& batch, const StepOptions& options, StepGraph& graph, StagePass& out) {
  each_stage(options, out, [&](const StepOptions& of_stage, StepTimes& times) {
    if (pieces_ == nullptr || !pieces_->evaluate(plan_, cost_, batch, of_stage, times)) {
      builder_.build(batch, of_stage, graph);
      (only_totals_ ? evaluate_total : evaluate_step)(graph, plan_.view(), cost_, times);
    }
  });
}

void PipelinedStep::ideal_pass(const Batch& batch, const StepOptions& options, StepGraph& graph, StagePass& out) {
  each_stage(options, out, [&](const StepOptions& of_stage, StepTimes& times) {
    if (pieces_ == nullptr || !pieces_->evaluate_limit(plan_, cost_, batch, of_stage, times)) {
      builder_.build(batch, of_stage, graph);
      evaluate_ideal(graph, plan_.view(), cost_, times);
      if (plan_.placement().batches() > 1) {
        // Batches run beside each other: no schedule is shorter than the way of one of them, though it may be shorter
        // than that of the whole.
        StepOptions of_one = of_stage;
        of_one.one_batch = true;
        builder_.build(batch, of_one, graph);
        StepTimes one;
        evaluate_ideal(graph, plan_.view(), cost_, one);
        times.ideal = one.ideal;
      }
    }
  });
}

double decode_micro_batches(int stages, double sequences) { return std::max(1.0, std::min<double>(stages, sequences)); }

double prefill_steps(int stages, double prompts, double most) {
  return std::max(std::ceil(prompts / most), std::min<double>(prompts, stages));
}

void round_of(const StagePass& pass, double count, StepTimes& out) {
  for (Seconds StepTimes::*const rung : kRungs) {
    out.*rung = std::max(pass.slowest.*rung * count, pass.through.*rung);
  }
  out.busy = pass.slowest.busy;
  for (double& seconds : out.busy) {
    seconds *= count;
  }
}

}  // namespace moesaic
