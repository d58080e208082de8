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

bool uses_host(const MemoryHomes& homes) {
  return homes.on_host || homes.dense_on_device < 1 || homes.experts_on_device < 1 || homes.cache_on_device < 1 ||
         homes.activations_on_device < 1;
}

}  // namespace

PipelinedStep::PipelinedStep(const StepPlan& plan, const CostModel& cost)
    : plan_(plan),
      cost_(cost),
      shares_host_(plan.view().has_host() && plan.stages_of_node() > 1 && uses_host(plan.placement().homes())),
      now_(&plan),
      builder_(plan) {}

void PipelinedStep::at_work(double micro_batches) {
  const int of_node = plan_.stages_of_node();
  const int stages = static_cast<int>(std::clamp<double>(micro_batches, 1, of_node));
  const StepPlan* now = &plan_;
  if (shares_host_ && stages < of_node) {
    std::shared_ptr<const StepPlan>& plan = fewer_at_work_[stages];
    if (plan == nullptr) {
      plan = std::make_shared<const StepPlan>(plan_.with_stages_at_work(stages));
    }
    now = plan.get();
  }
  if (now != now_) {
    now_ = now;
    builder_.emplace(*now_);
  }
}

void PipelinedStep::sum_host_demands(StagePass& out) const {
  const MachineView& view = now_->view();
  const double of_node = static_cast<double>(plan_.stages_of_node()) / plan_.mapping().pipeline;
  const double at_once = static_cast<double>(view.host_ranks) / plan_.mapping().stage_devices();
  const auto sum = [&](std::optional<ResourceId> resource) {
    if (resource && *resource < out.slowest.busy.size()) {
      out.slowest.busy[*resource] = out.through.busy[*resource] * of_node / at_once;
    }
  };
  sum(view.host_memory);
  sum(view.host_unit().arithmetic);
  sum(view.storage);
  sum(view.socket_link);
}

template <class Evaluate>
void PipelinedStep::each_stage(const StepOptions& options, StagePass& out, Evaluate evaluate) {
  if (now_->stages().size() == 1) {
    evaluate(options, out.slowest);
    out.through = out.slowest;
    return;
  }
  out = {};
  StepOptions of_stage = options;
  for (std::size_t i = 0; i < now_->stages().size(); ++i) {
    of_stage.stage = static_cast<int>(i);
    evaluate(of_stage, stage_);
    raise(out.slowest, stage_);
    out.through.add(stage_, now_->stages()[i].alike);
  }
  if (now_ != &plan_) {
    sum_host_demands(out);
  }
}

void PipelinedStep::pass(const Batch& batch, const StepOptions& options, StepGraph& graph, StagePass& out) {
  each_stage(options, out, [&](const StepOptions& of_stage, StepTimes& times) {
    if (pieces_ == nullptr || !pieces_->evaluate(*now_, cost_, batch, of_stage, times)) {
      builder_->build(batch, of_stage, graph);
      (only_totals_ ? evaluate_total : evaluate_step)(graph, now_->view(), cost_, times);
    }
  });
}

void PipelinedStep::ideal_pass(const Batch& batch, const StepOptions& options, StepGraph& graph, StagePass& out) {
  each_stage(options, out, [&](const StepOptions& of_stage, StepTimes& times) {
    if (pieces_ == nullptr || !pieces_->evaluate_limit(*now_, cost_, batch, of_stage, times)) {
      builder_->build(batch, of_stage, graph);
      evaluate_ideal(graph, now_->view(), cost_, times);
      if (now_->placement().batches() > 1) {
        // Batches run beside each other: no schedule is shorter than the way of one of them, though it may be shorter
        // than that of the whole.
        StepOptions of_one = of_stage;
        of_one.one_batch = true;
        builder_->build(batch, of_one, graph);
        StepTimes one;
        evaluate_ideal(graph, now_->view(), cost_, one);
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
