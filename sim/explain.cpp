#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "sim/predict.hpp"

namespace moesaic {
namespace {

std::string shape_text(const Operator& op) {
  struct Describe {
    std::string operator()(const Gemm& g) const {
      return fmt::format("m={:.6g} n={:.6g} k={:.6g}", g.m, g.n, g.k) +
             (g.count == 1 ? "" : fmt::format(" x{:.6g}", g.count));
    }
    std::string operator()(const GroupedGemm& g) const {
      return fmt::format("rows={:.4g} experts={:.4g} of {:.6g}, {:.6g}x{:.6g}x{:.6g}", g.rows, g.distinct, g.experts,
                         g.matrices, g.hidden, g.width);
    }
    std::string operator()(const SoftmaxScores& s) const {
      return fmt::format("b={:.6g} q={:.6g} context={:.6g} heads={:.6g}/{:.6g} dim={:.6g}/{:.6g}", s.sequences,
                         s.new_tokens, s.context, s.heads, s.kv_heads, s.qk_dim, s.v_dim) +
             (s.window > 0 ? fmt::format(" window={:.6g}", s.window) : "");
    }
    std::string operator()(const StateUpdate& s) const {
      return fmt::format("b={:.6g} q={:.6g} state={:.6g}", s.sequences, s.new_tokens, s.state_elements);
    }
    std::string operator()(const Elementwise& e) const {
      return fmt::format("reads {:.6g} writes {:.6g} elements", e.elements_read, e.elements_written);
    }
    std::string operator()(const Collective& c) const {
      return fmt::format("{} of {} over {}", name(c.kind), to_text(c.bytes), c.ranks);
    }
    std::string operator()(const ExpertExchange& e) const {
      return fmt::format("{} {}, {:.6g} tokens, {:.4g} rows in the node and {:.4g} out, over {} in {} nodes",
                         name(e.kind), e.combine ? "combine" : "dispatch", e.tokens, e.scale_up_rows, e.network_rows,
                         e.ranks, e.nodes);
    }
    std::string operator()(const Transfer& t) const {
      return fmt::format("{} {}", to_text(t.bytes),
                         t.between_units ? (t.to_device ? "to the processor" : "to the unit apart")
                         : t.to_device   ? "to device"
                                         : "to host");
    }
  };
  return std::visit(Describe{}, op.shape);
}

/// "layers 0-2" for the layers of one kind, "14 of layers 3-60" where a stage has only some of them.
std::string layers_text(const Architecture& architecture, int kind, std::int64_t count) {
  const auto& layers = architecture.layers;
  const auto first = std::find(layers.begin(), layers.end(), kind) - layers.begin();
  const auto last = layers.rend() - std::find(layers.rbegin(), layers.rend(), kind) - 1;
  if (last == first) {
    return fmt::format("layer {}", first);
  }
  return last - first + 1 == count ? fmt::format("layers {}-{}", first, last)
                                   : fmt::format("{} of layers {}-{}", count, first, last);
}

OperatorRow describe(const Task& task, const MachineView& view, const CostModel& cost) {
  OperatorRow row;
  const Estimate estimate = cost.cost(task, view);
  row.operator_ = task.op.label;
  row.kind = name(task.op.kind);
  row.shape = shape_text(task.op);
  row.limit = peak_seconds(task, view);
  row.time = estimate.median();
  if (task.communication) {
    row.bytes = task.work.wire + task.work.network;
    row.unit = "link";
    row.bound_by = estimate.latency > estimate.busy ? "latency" : "link";
    return row;
  }
  const UnitView& unit = view.units[task.unit];
  const auto format = static_cast<std::size_t>(task.work.arithmetic);
  row.flops = task.work.flops;
  row.bytes = task.work.memory();
  row.unit = unit.name;
  row.arithmetic = name(unit.runs_in[format]);
  row.intensity = row.bytes > Bytes{0} ? task.work.intensity() : FlopsPerByte{0};
  row.ridge = FlopsPerByte{1 / (unit.seconds_per_flop[format] * view.resources[unit.memory].capacity)};
  row.bound_by = estimate.latency > estimate.busy ? "latency" : row.intensity > row.ridge ? "compute" : "memory";
  return row;
}

/// What passes a stage at once, of a load on a replica with stages.
Batch stage_batch(const Mapping& mapping, const Load& load, Phase phase, double context, StagePart& part) {
  const double batch = static_cast<double>(load.batch), input = static_cast<double>(load.input);
  const double of_group = std::ceil(batch / mapping.data), budget = static_cast<double>(load.step_tokens);
  const auto requests = [&](double count) {
    part.requests = std::min(batch, std::ceil(of_group / count) * mapping.data);
    return part.requests;
  };
  if (phase == Phase::decode) {
    part.micro_batches = decode_micro_batches(mapping.pipeline, of_group);
    return Batch::decode(requests(part.micro_batches), context);
  }
  if (input <= budget) {
    part.micro_batches = prefill_steps(mapping.pipeline, of_group, std::floor(budget / input));
    return Batch::prefill(requests(part.micro_batches), input);
  }
  part.micro_batches = std::ceil(input / budget) * of_group;
  Batch chunk;  // the middle one of a prompt
  chunk.groups.assign(1, {requests(of_group), budget, (input - budget) / 2});
  return chunk;
}

/// The graph of the slowest stage, whose index is returned; `times`: its times.
int build_slowest(const StepPlan& plan, const CostModel& cost, const Batch& batch, StepGraph& graph, StepTimes& times) {
  int slowest = 0;
  for (int stage = 0; stage < static_cast<int>(plan.stages().size()); ++stage) {
    StepGraph of_stage = build_step(plan, batch, {.stage = stage});
    StepTimes taken;
    evaluate_step(of_stage, plan.view(), cost, taken);
    if (stage == 0 || taken.total > times.total) {
      slowest = stage;
      graph = std::move(of_stage);
      times = std::move(taken);
    }
  }
  return slowest;
}

}  // namespace

OperatorTable explain_step(const Deployment& deployment, const Load& load, Phase phase) {
  StepPlan plan = deployment.plan;
  const Architecture& architecture = plan.architecture();
  check(load);
  const double batch = static_cast<double>(load.batch), input = static_cast<double>(load.input);
  const double context = input + static_cast<double>(load.output - 1) / 2;
  OperatorTable table;
  table.cost_model = cost_name(deployment);
  StepGraph graph;
  StepTimes step;
  int stage = 0;
  if (plan.mapping().pipeline > 1) {
    StagePart part{.stages = plan.mapping().pipeline};
    const Batch of_stage = stage_batch(plan.mapping(), load, phase, context, part);
    const double at_work = std::min<double>(part.micro_batches, plan.stages_of_node());
    plan = deployment.plan.with_stages_at_work(static_cast<int>(std::max(1.0, at_work)));
    stage = build_slowest(plan, *deployment.cost, of_stage, graph, step);
    part.alike = plan.stages()[static_cast<std::size_t>(stage)].alike;
    table.part = part;
  } else {
    graph = build_step(plan, phase == Phase::prefill ? Batch::prefill(batch, input) : Batch::decode(batch, context));
    evaluate_step(graph, plan.view(), *deployment.cost, step);
  }
  table.step = step.total;
  const std::vector<std::int64_t>& layers = plan.stages()[static_cast<std::size_t>(stage)].layers_of_kind;
  for (std::size_t i = 0; i < graph.layers.size(); ++i) {
    const LayerGraph& layer = graph.layers[i];
    if (layer.executions == 0) {
      continue;  // another stage has these layers
    }
    const std::string block = i == 0 ? "input"
                              : i + 1 == graph.layers.size()
                                  ? "output"
                                  : layers_text(architecture, static_cast<int>(i) - 1, layers[i - 1]);
    for (const Task& task : graph.tasks_of(layer)) {
      OperatorRow row = describe(task, plan.view(), *deployment.cost);
      row.block = block;
      row.count = layer.executions;
      table.rows.push_back(std::move(row));
    }
  }
  return table;
}

}  // namespace moesaic
