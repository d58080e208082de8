#include <algorithm>
#include <array>
#include <cmath>
#include <optional>

#include "base/config.hpp"
#include "base/error.hpp"
#include "calibrate/cost_model.hpp"
#include "model/collective.hpp"
#include "model/expert_series.hpp"

namespace moesaic {
namespace {

/// Achieved fractions of peak of one operator kind.
struct Efficiency {
  double compute = 1;
  double memory = 1;
  double launches = 1;            ///< kernels one after another
  bool in_series = false;         ///< experts run one after another (model/expert_series.hpp)
  bool activation_apart = false;  ///< of those, the activation function is a kernel of its own
  bool scores_in_memory = false;  ///< attention's scores are written to memory and read again
  bool latent_scores = false;     ///< those of MLA too
  bool whole_square = false;      ///< attention computes scores of later tokens too
};

class EfficiencyCostModel final : public CostModel {
 public:
  explicit EfficiencyCostModel(const Config& config) : name_(config.at("name").string()) {
    const Config kernels = config.at("kernels");
    for (std::size_t i = 0; i < kOperatorKindCount; ++i) {
      const auto kind = static_cast<OperatorKind>(i);
      if (kind == OperatorKind::collective || kind == OperatorKind::transfer) {
        continue;
      }
      const bool stated = kernels.has(moesaic::name(kind)) || stand_in(kind) == kind;
      const Config entry = kernels.at(moesaic::name(stated ? kind : stand_in(kind)));
      kernels_[i] = {fraction(entry.at("compute")), fraction(entry.at("memory")), entry.at("launches").number()};
      if (kind == OperatorKind::experts) {
        kernels_[i].in_series = entry.boolean_or("in_series", false);
        kernels_[i].activation_apart = entry.boolean_or("activation_apart", false);
      } else if (kind == OperatorKind::attention_prefill || kind == OperatorKind::attention_decode) {
        kernels_[i].scores_in_memory = entry.boolean_or("scores_in_memory", false);
        kernels_[i].latent_scores = entry.boolean_or("latent_scores_in_memory", kernels_[i].scores_in_memory);
        kernels_[i].whole_square = entry.boolean_or("whole_square", false);
      }
      if (kernels_[i].launches < 0) {
        entry.at("launches").fail("must not be negative");
      }
    }
    link_ = fraction(config.at("collective").at("link"));
    network_ = fraction(config.at("collective").at("network"));
    collective_units_ = count(config.at("collective"));
    rings_ = config.at("collective").boolean_or("rings", false);
    collective_launches_ = config.at("collective").number_or("launches", 1);
    if (collective_launches_ < 0) {
      config.at("collective").at("launches").fail("must not be negative");
    }
    const Config exchange = config.at("expert_exchange");
    exchange_units_ = count(exchange);
    exchange_link_ = fraction(exchange.at("link"));
    exchange_network_ = fraction(exchange.at("network"));
    exchange_latency_ = exchange.at("low_latency").quantity<Seconds>();
    exchange_setup_ = exchange.at("normal").quantity<Seconds>();
    dram_ = config.boolean_or("dram", false);
    host_link_ = fraction(config.at("transfer").at("link"));
    if (const auto pageable = config.at("transfer").find("pageable")) {
      pageable_ = fraction(*pageable);
    }
    if (const auto near = config.find("near_memory")) {
      near_memory_ = Efficiency{fraction(near->at("compute")), fraction(near->at("memory")), 1,
                                near->boolean_or("in_series", false)};
    }
    host_kernel_ = {fraction(config.at("host_kernels").at("compute")), fraction(config.at("host_kernels").at("memory")),
                    1};
    step_overhead_ = config.at("step_overhead").quantity<Seconds>();
    reserve_ = config.at("memory_reserve").number();
    if (reserve_ < 0 || reserve_ >= 1) {
      config.at("memory_reserve").fail("must be at least 0 and below 1");
    }
    spread_ = config.at("spread").number();
    if (spread_ < 0) {
      config.at("spread").fail("must not be negative");
    }
    config.ignore(std::array<std::string_view, 3>{"sources", "description", "version"});
    config.reject_unknown();
  }

  Estimate cost(const Task& task, const MachineView& view) const override {
    if (const auto* collective = std::get_if<Collective>(&task.op.shape)) {
      return collective_cost(task, *collective, view);
    }
    if (const auto* exchange = std::get_if<ExpertExchange>(&task.op.shape)) {
      return exchange_cost(*exchange, task.work, view);
    }
    if (task.queue == Queue::to_unit || task.queue == Queue::from_unit) {
      return {view.units[task.unit].link_latency, peak_seconds(task, view) / link_};
    }
    if (task.communication) {
      return {view.host_link_latency, copy_seconds(task, view)};
    }
    const UnitView& unit = view.units[task.unit];
    const bool near = task.unit > 0 && !unit.on_host && near_memory_;
    const Efficiency& kernel = near ? *near_memory_ : kernels_[static_cast<std::size_t>(task.op.kind)];
    const Attained host = attained(view);
    const double compute = unit.on_host ? host.host_compute : kernel.compute;
    const double memory = unit.on_host ? host.host_memory : kernel.memory * (dram_ || near ? unit.memory_share : 1);
    double longest = 0;
    for (const Demand& demand : task.demands) {
      const Resource& resource = view.resources[demand.resource];
      const double efficiency = resource.kind == ResourceKind::arithmetic ? compute : memory;
      longest = std::max(longest, demand.amount / (resource.capacity * efficiency));
    }
    const Seconds per_flop{unit.seconds_per_flop[static_cast<std::size_t>(task.work.arithmetic)] / compute};
    const BytesPerSecond bandwidth{view.resources[unit.memory].capacity * memory};
    longest = std::max(longest, by_shape(task, kernel, unit.scores_on_chip, per_flop, bandwidth).value);
    return no_faster_than_attained({unit.launch_latency * kernel.launches, Seconds{longest}}, task, view);
  }

  double spread(const Task&, const MachineView&) const override { return spread_; }
  double multiprocessors(const Task& task) const override {
    if (const auto* exchange = std::get_if<ExpertExchange>(&task.op.shape)) {
      return exchange->kind == ExchangeKind::normal       ? exchange_units_
             : exchange->kind == ExchangeKind::all_to_all ? collective_units_
                                                          : 0;
    }
    return std::holds_alternative<Collective>(task.op.shape) ? collective_units_ : 0;
  }
  Attained attained(const MachineView& view) const override {
    Attained general{host_kernel_.compute, host_kernel_.memory, host_link_, dram_};
    general.pageable = pageable_;
    general.device_compute = kernels_[static_cast<std::size_t>(OperatorKind::experts)].compute;
    general.device_memory = kernels_[static_cast<std::size_t>(OperatorKind::experts)].memory;
    return view.own_or(general);
  }
  SoftwareTerms software() const override { return {.host_time = step_overhead_}; }
  double reserve_fraction() const override { return reserve_; }
  std::string name() const override { return name_; }

 private:
  /// A copy is no faster than the host's memory takes what passes through it: more than once if it is staged.
  Seconds copy_seconds(const Task& task, const MachineView& view) const {
    const Attained share = attained(view);
    const auto* transfer = std::get_if<Transfer>(&task.op.shape);
    const double link = share.host_link * (transfer != nullptr && transfer->pageable ? share.pageable : 1);
    double longest = 0;
    for (const Demand& demand : task.demands) {
      const double of_peak = view.host_memory && demand.resource == *view.host_memory ? share.host_memory : link;
      longest = std::max(longest, demand.amount / (view.resources[demand.resource].capacity * of_peak));
    }
    return Seconds{longest};
  }

  static bool latent(const SoftmaxScores& scores) { return scores.shared_kv || scores.qk_dim != scores.v_dim; }

  /// What kernels of a plainer make take; nothing where they are as the work says.
  static Seconds by_shape(const Task& task, const Efficiency& kernel, bool on_chip, Seconds per_flop,
                          BytesPerSecond bandwidth) {
    if (const auto* experts = std::get_if<GroupedGemm>(&task.op.shape); experts != nullptr && kernel.in_series) {
      return in_series({experts->experts, experts->rows, experts->distinct, experts->even, experts->loads},
                       experts->tokens, expert_times(*experts, per_flop, bandwidth, kernel.activation_apart)) *
             experts->lateness;
    }
    const auto* scores = std::get_if<SoftmaxScores>(&task.op.shape);
    const bool written =
        !on_chip && scores != nullptr && (latent(*scores) ? kernel.latent_scores : kernel.scores_in_memory);
    if (scores == nullptr || !(written || kernel.whole_square)) {
      return {};
    }
    const double square = scores->new_tokens * (scores->context + scores->new_tokens);
    const double pairs = kernel.whole_square ? std::max(scores->pairs, square) : scores->pairs;
    const Bytes moved = written ? scores->activations.bytes(2 * scores->sequences * scores->heads * pairs) : Bytes{};
    const Seconds compute = per_flop * task.work.flops.value * (scores->pairs > 0 ? pairs / scores->pairs : 1);
    return std::max(compute, (task.work.memory() + moved) / bandwidth);
  }

  /// Whose fractions a kind of training has in files that do not know it.
  static OperatorKind stand_in(OperatorKind kind) {
    return kind == OperatorKind::attention_backward ? OperatorKind::attention_prefill
           : kind == OperatorKind::optimizer        ? OperatorKind::norm
                                                    : kind;
  }

  /// "multiprocessors" of a kind of communication; none where it is not said.
  static double count(const Config& config) {
    const double value = config.number_or("multiprocessors", 0);
    if (value < 0) {
      config.at("multiprocessors").fail("must not be negative");
    }
    return value;
  }

  static double fraction(const Config& config) {
    const double value = config.number();
    if (!(value > 0 && value <= 1)) {
      config.fail("must be above 0 and at most 1 (a fraction of peak)");
    }
    return value;
  }

  Estimate collective_cost(const Task& task, const Collective& collective, const MachineView& view) const {
    CollectiveLinks links = collective_links(view, collective.ranks, collective.stride);
    links.switched = links.switched && !rings_;
    links.in_switch_reduction = links.in_switch_reduction && !rings_;
    links.bandwidth.value *= link_;
    links.network_bandwidth.value *= network_;
    const CollectiveAlgorithm algorithm = fastest_algorithm(collective, links);
    const Seconds launch = view.units[task.unit].launch_latency * collective_launches_;
    return {launch + algorithm.latency_on(links) * collective.rounds, algorithm.busy_on(links) * collective.rounds};
  }

  /// Both levels at once: what arrives for a node is forwarded while more of it arrives.
  Estimate exchange_cost(const ExpertExchange& exchange, const Work& work, const MachineView& view) const {
    const CollectiveLinks links = collective_links(view, exchange.ranks);
    const Seconds inside = work.wire / (links.bandwidth * exchange_link_);
    const Seconds between = work.network / (links.network_bandwidth * exchange_network_);
    return {exchange.kind == ExchangeKind::low_latency ? exchange_latency_ : exchange_setup_,
            std::max(inside, between)};
  }

  std::string name_;
  std::array<Efficiency, kOperatorKindCount> kernels_;
  std::optional<Efficiency> near_memory_;  ///< of the device's other units, on top of what their DRAM attains
  Efficiency host_kernel_;
  double link_ = 1;
  double network_ = 1;
  double exchange_link_ = 1, exchange_network_ = 1;
  double collective_units_ = 0, exchange_units_ = 0;
  double collective_launches_ = 1;
  bool dram_ = false;   ///< memory fractions are of what the DRAM attains command by command
  bool rings_ = false;  ///< collectives go around rings, also where there are switches
  Seconds exchange_latency_, exchange_setup_;
  double host_link_ = 1;
  double pageable_ = 1;  ///< of what pinned copies attain
  Seconds step_overhead_;
  double reserve_ = 0;
  double spread_ = 0;
};

}  // namespace

CostModelPointer efficiency_cost_model(const Config& config) { return std::make_shared<EfficiencyCostModel>(config); }

}  // namespace moesaic
