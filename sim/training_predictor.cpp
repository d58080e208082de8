#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <mutex>
#include <shared_mutex>
#include <unordered_map>
#include <utility>

#include "base/error.hpp"
#include "model/accounting.hpp"
#include "sim/training_stages.hpp"

namespace moesaic {
namespace {

/// Megatron-LM's buckets of gradients: as soon as one is whole its reduction starts (DistributedDataParallelConfig).
constexpr double kBucketParameters = 40e6;
/// Bytes that Adam moves for a parameter: reads gradient, master weight and two moments in fp32, writes the last three
/// and the weight in 16 bits.
constexpr double kReadByOptimizer = 16, kWrittenByOptimizer = 14;

void check_counts(const Mapping& mapping, const Training& training) {
  const auto positive = [](const char* option, std::int64_t value, std::int64_t most) {
    if (value < 1 || value > most) {
      throw UserError(fmt::format("{}: {} is not a whole number from 1 to {}", option, value, most));
    }
  };
  positive("--global-batch", training.global_batch, 1 << 24);
  positive("--micro-batch", training.micro_batch, 1 << 20);
  positive("--sequence", training.sequence, 1 << 26);
  const std::int64_t once = training.micro_batch * mapping.data;
  if (training.global_batch % once != 0) {
    const std::int64_t below = training.global_batch / once * once, above = below + once;
    const std::int64_t nearest =
        below > 0 && training.global_batch - below <= above - training.global_batch ? below : above;
    throw UserError(fmt::format(
        "--global-batch: {} sequences do not divide into micro-batches of {} on dp={}; the nearest that works is {}",
        training.global_batch, training.micro_batch, mapping.data, nearest));
  }
  const std::int64_t ranks = std::int64_t{mapping.sequence ? mapping.tensor : 1} * mapping.context;
  if (training.sequence % ranks != 0) {
    const std::int64_t below = training.sequence / ranks * ranks;
    const std::int64_t nearest = below > 0 && 2 * (training.sequence - below) <= ranks ? below : below + ranks;
    throw UserError(
        fmt::format("--sequence: {} tokens do not divide over {} ranks of tp and cp; the nearest that works is {}",
                    training.sequence, ranks, nearest));
  }
}

}  // namespace

struct TrainingPredictor::State {
  Architecture architecture;
  Precision precision;
  Machine machine;
  CostModelPointer cost;
  std::string routing_text;
  bool experts = false;
  MachineView alone, clustered;  ///< without and with a network

  mutable std::shared_mutex mutex;
  mutable std::map<std::pair<std::size_t, int>, RankLoadTable> routing;
  mutable std::unordered_map<CostKey, NetworkCosts, CostKeyHash> costs;
  mutable std::map<std::int64_t, std::pair<Flops, Flops>> flops;  ///< a token, causal and full square, by sequence

  const MachineView& view(const Mapping& mapping) const {
    return mapping.devices() > machine.devices ? clustered : alone;
  }

  const NetworkCosts& costs_of(const Mapping& mapping, const Training& training) const {
    const CostKey key = cost_key(mapping, training, machine, experts);
    {
      const std::shared_lock lock(mutex);
      if (const auto found = costs.find(key); found != costs.end()) {
        return found->second;
      }
    }
    const std::unique_lock lock(mutex);
    if (const auto found = costs.find(key); found != costs.end()) {
      return found->second;
    }
    std::vector<const RankLoadTable*> tables;
    for (std::size_t kind = 0; kind < architecture.kinds.size(); ++kind) {
      const auto* moe = std::get_if<MoeFeedForward>(&architecture.kinds[kind].feed_forward);
      tables.push_back(moe == nullptr ? nullptr : &table(kind, *moe, mapping.expert));
    }
    return costs.emplace(key, network_costs(architecture, precision, view(mapping), *cost, tables, mapping, training))
        .first->second;
  }

  const RankLoadTable& table(std::size_t kind, const MoeFeedForward& moe, int ranks) const {
    const auto found = routing.find({kind, ranks});
    if (found != routing.end()) {
      return found->second;
    }
    const Routing of_layer = Routing::parse(routing_text, moe.experts, moe.experts_per_token);
    return routing.emplace(std::pair{kind, ranks}, RankLoadTable(of_layer, ranks)).first->second;
  }

  std::pair<Flops, Flops> flops_per_token(std::int64_t sequence) const {
    {
      const std::shared_lock lock(mutex);
      if (const auto found = flops.find(sequence); found != flops.end()) {
        return found->second;
      }
    }
    const std::pair<Flops, Flops> both{training_flops_per_token(architecture, sequence),
                                       training_flops_per_token(architecture, sequence, {.causal_attention = false})};
    const std::unique_lock lock(mutex);
    return flops.emplace(sequence, both).first->second;
  }

  FlopsPerSecond peak() const {
    const Unit& unit = machine.device.units[0];
    const DType wanted = experts ? precision.expert_arithmetic : precision.dense_arithmetic;
    return unit.peak[static_cast<std::size_t>(unit.arithmetic(wanted))];
  }
};

namespace {

/// One prediction on its way.
struct Step {
  const Architecture& architecture;
  const MachineView& view;
  const CostModel& cost;
  const NetworkCosts& costs;
  const Mapping& mapping;
  const Training& training;
  double micro_batches = 1;
  std::vector<LayerCosts> runs;
  std::vector<Seconds> exposed_weights;  ///< of every run and micro-batch: gathers and reductions that ZeRO-3 shows
  std::vector<LayerCosts> stages;
  TrainingPrediction result;

  std::size_t stage_count() const { return static_cast<std::size_t>(mapping.pipeline); }
  bool bidirectional() const { return training.schedule == PipelineSchedule::dual_pipe && mapping.pipeline > 1; }

  /// With weights divided (ZeRO-3) every layer gathers its weights for each pass, while its neighbour computes, and
  /// hands out its gradients.
  Seconds weights_exposed(const LayerCosts& layer) const {
    const DataTimes data =
        data_times(layer.dense_parameters, layer.expert_parameters, mapping, training.zero, view, cost);
    const Seconds forward = layer.of(Pass::forward).compute;
    const Seconds backward = layer.of(Pass::recompute).compute + layer.of(Pass::backward_input).compute +
                             layer.of(Pass::backward_weights).compute;
    const double share = communication_share(view);
    return exposed_beside(data.gather, forward, share) + exposed_beside(data.gather + data.reduce, backward, share);
  }

  void lay_out() {
    runs = run_costs(architecture, costs, mapping);
    exposed_weights.assign(runs.size(), Seconds{});
    if (training.zero == ZeroStage::weights) {
      std::vector<Seconds> of_kind;
      for (const LayerCosts& kind : costs.kinds) {
        of_kind.push_back(weights_exposed(kind));
      }
      const std::vector<std::int64_t> counts =
          layers_of_runs(architecture.layer_count(), static_cast<int>(runs.size()));
      auto layer = architecture.layers.begin();
      for (std::size_t run = 0; run < runs.size(); ++run) {
        for (std::int64_t i = 0; i < counts[run]; ++i) {
          exposed_weights[run] += of_kind[static_cast<std::size_t>(*layer++)];
        }
      }
    }
    stages.assign(stage_count(), {});
    for (std::size_t run = 0; run < runs.size(); ++run) {
      stages[run % stage_count()].add(runs[run], 1);
    }
    if (bidirectional()) {  // half of the micro-batches come from the other end, for which weights are held too
      const std::vector<LayerCosts> one_way = stages;
      for (std::size_t s = 0; s < stage_count(); ++s) {
        const LayerCosts& mirror = one_way[stage_count() - 1 - s];
        LayerCosts both = {};
        both.add(one_way[s], 0.5).add(mirror, 0.5);
        both.dense_parameters *= 2;
        both.expert_parameters *= 2;
        stages[s] = both;
      }
    }
  }

  ChunkTimes chunk(std::size_t run) const {
    const LayerCosts& layer = runs[run];
    ChunkTimes times;
    times.forward = layer.of(Pass::forward).total();
    times.backward_input =
        layer.of(Pass::recompute).total() + layer.of(Pass::backward_input).total() + exposed_weights[run];
    times.backward_weights = layer.of(Pass::backward_weights).total();
    if (bidirectional()) {
      Seconds compute, communication;
      for (const PassTimes& pass : layer.passes) {
        compute += pass.compute;
        communication += pass.communication();
      }
      times.both_ways =
          compute + exposed_beside(communication, compute, communication_share(view)) + exposed_weights[run];
    }
    return times;
  }

  void run() {
    PipelineProblem problem;
    const bool interleaved = mapping.virtual_stages > 1 && training.schedule == PipelineSchedule::one_f_one_b;
    problem.schedule = interleaved ? PipelineSchedule::interleaved : training.schedule;
    problem.stages = mapping.pipeline;
    problem.chunks = mapping.virtual_stages;
    problem.micro_batches = static_cast<std::int64_t>(micro_batches);
    for (std::size_t i = 0; i < runs.size(); ++i) {
      problem.times.push_back(chunk(i));
    }
    problem.transfer = costs.transfer;
    result.pipeline = run_pipeline(problem);
  }

  /// Gradients and weights of the stage with the most of them, and how much of it the first and last micro-batch hide.
  Seconds data_exposed(const LayerCosts& stage, const DataTimes& data) const {
    if (training.zero == ZeroStage::weights) {
      return {};  // within the micro-batches
    }
    const double parameters = std::max(1.0, stage.dense_parameters + stage.expert_parameters);
    const double bucket = std::min(1.0, kBucketParameters / parameters);
    const Seconds backward = stage.of(Pass::recompute).compute + stage.of(Pass::backward_input).compute +
                             stage.of(Pass::backward_weights).compute;
    const auto exposed = [&](Seconds communication, Seconds window, bool overlaps) {
      const Seconds last = communication * bucket;
      return overlaps ? last + exposed_beside(communication - last, window, communication_share(view)) : communication;
    };
    const double reductions = training.zero == ZeroStage::gradients ? micro_batches : 1;
    return exposed(data.reduce, backward, training.overlap_gradients) * reductions +
           exposed(data.gather, stage.of(Pass::forward).compute, training.overlap_weights);
  }

  Seconds optimizer(const DataTimes& data) const {
    const Operator op{OperatorKind::optimizer, "optimizer",
                      Elementwise{.elements_read = data.elements * kReadByOptimizer / 4,
                                  .elements_written = data.elements * kWrittenByOptimizer / 4,
                                  .flops_per_element = 3,
                                  .type = {DType::fp32, 32}}};
    return operator_seconds(op, view, cost);
  }

  void add_parts(std::size_t slowest) {
    TrainingParts& parts = result.parts;
    const LayerCosts& stage = stages[slowest];
    for (std::size_t pass = 0; pass < kPassCount; ++pass) {
      const PassTimes& times = stage.passes[pass];
      (pass == static_cast<std::size_t>(Pass::recompute) ? parts.recompute : parts.compute) +=
          times.compute * micro_batches;
      parts.tensor += times.tensor * micro_batches;
      parts.context += times.context * micro_batches;
      parts.expert += times.expert * micro_batches;
    }
    for (std::size_t run = slowest; run < runs.size(); run += stage_count()) {
      const std::size_t mirror = bidirectional() ? stage_count() - 1 - run : run;
      parts.data += (exposed_weights[run] + exposed_weights[mirror]) * (micro_batches / 2);
    }
    // Where a forward and a backward pass run at once, less of their communication shows.
    Seconds hidden = parts.total() - result.pipeline.busy[slowest];
    for (Seconds* part : {&parts.expert, &parts.context, &parts.tensor}) {
      const Seconds less = std::clamp(hidden, Seconds{}, *part);
      *part -= less;
      hidden -= less;
    }
    parts.bubble = result.pipeline.total - parts.total();
  }

  void finish_time() {
    const auto& busy = result.pipeline.busy;
    const auto slowest = static_cast<std::size_t>(std::max_element(busy.begin(), busy.end()) - busy.begin());
    add_parts(slowest);
    Seconds exposed, update;
    PeakDemand most;
    double one_path = 0;
    DataTimes data;
    const LayerCosts* before = nullptr;
    for (const LayerCosts& stage : stages) {
      if (before == nullptr || before->dense_parameters != stage.dense_parameters ||
          before->expert_parameters != stage.expert_parameters) {
        data = data_times(stage.dense_parameters, stage.expert_parameters, mapping, training.zero, view, cost);
        update = std::max(update, optimizer(data));
      }
      before = &stage;
      exposed = std::max(exposed, data_exposed(stage, data));
      PeakDemand demand = data.demand;
      demand.add(stage.demand, micro_batches);
      demand.memory +=
          data.elements * (kReadByOptimizer + kWrittenByOptimizer) / view.resources[view.units[0].memory].capacity;
      if (demand.longest() > most.longest()) {
        most = demand;
      }
      one_path += stage.path.value;
    }
    result.parts.data += exposed;
    result.parts.optimizer = update;
    result.limit = Seconds{std::max(most.longest(), one_path)};
    result.step = result.parts.total();
  }

  void finish_memory(Bytes capacity) {
    for (std::size_t s = 0; s < stage_count(); ++s) {
      StageLoad load{.sum = stages[s], .output_kept = {}, .runs = mapping.virtual_stages};
      const bool last = s + 1 == stage_count();
      if (last && training.schedule != PipelineSchedule::gpipe && !bidirectional()) {
        load.output_kept = costs.output.kept;
        load.sum.kept -= costs.output.kept;
      }
      for (const LayerCosts& kind : costs.kinds) {
        load.largest_layer = std::max(load.largest_layer, kind.dense_parameters + kind.expert_parameters);
      }
      load.in_flight = result.pipeline.in_flight[s];
      TrainingMemory memory = stage_memory(load, mapping, training.zero);
      memory.capacity = capacity;
      memory.reserve = capacity * cost.reserve_fraction();
      memory.stage = static_cast<int>(s);
      if (s == 0 || memory.total() > result.memory.total()) {
        result.memory = memory;
      }
    }
  }

  double recomputed_share() const {
    Flops all, again;
    for (const LayerCosts& stage : stages) {
      all += stage.flops;
      again += stage.recomputed;
    }
    return all > again ? again / (all - again) : 0;
  }
};

}  // namespace

TrainingPredictor::TrainingPredictor(Architecture architecture, Precision precision, Machine machine,
                                     CostModelPointer cost, std::string routing)
    : state_(std::make_unique<State>()) {
  state_->architecture = std::move(architecture);
  state_->precision = precision;
  state_->machine = std::move(machine);
  state_->cost = std::move(cost);
  state_->routing_text = std::move(routing);
  state_->experts = has_experts(state_->architecture);
  state_->alone = view_machine(state_->machine, state_->machine.devices);
  state_->clustered = view_machine(state_->machine, state_->machine.total_devices());
}

TrainingPredictor::~TrainingPredictor() = default;

const Architecture& TrainingPredictor::architecture() const { return state_->architecture; }
const Precision& TrainingPredictor::precision() const { return state_->precision; }
const Machine& TrainingPredictor::machine() const { return state_->machine; }
const CostModel& TrainingPredictor::cost() const { return *state_->cost; }

TrainingPrediction TrainingPredictor::predict(const Mapping& mapping, const Training& training) const {
  check_mapping(state_->architecture, mapping, state_->machine);
  check_counts(mapping, training);
  const std::int64_t micro_batches = training.global_batch / (training.micro_batch * mapping.data);
  Step step{.architecture = state_->architecture,
            .view = state_->view(mapping),
            .cost = *state_->cost,
            .costs = state_->costs_of(mapping, training),
            .mapping = mapping,
            .training = training,
            .micro_batches = static_cast<double>(micro_batches),
            .runs = {},
            .exposed_weights = {},
            .stages = {},
            .result = {}};
  step.lay_out();
  step.run();
  step.finish_time();
  step.finish_memory(state_->machine.device.memory.capacity);
  TrainingPrediction& result = step.result;
  const double tokens = static_cast<double>(training.global_batch) * static_cast<double>(training.sequence);
  const auto [causal, square] = state_->flops_per_token(training.sequence);
  result.tokens = PerSecond{tokens / result.step.value};
  result.model_rate = causal * tokens / result.step / static_cast<double>(mapping.devices());
  result.mfu = result.model_rate / state_->peak();
  result.mfu_full_square = result.mfu * (square / causal);
  result.hfu = result.mfu * (1 + step.recomputed_share());
  return std::move(step.result);
}

}  // namespace moesaic
