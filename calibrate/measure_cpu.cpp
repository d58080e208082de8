#include "calibrate/measure_cpu.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <new>
#include <stdexcept>

#include "base/error.hpp"
#include "calibrate/cpu_plan.hpp"
#include "calibrate/measured_machine.hpp"
#include "kernels/background.hpp"
#include "kernels/cpu/dispatch.hpp"
#include "kernels/cpu/staging.hpp"

namespace moesaic {
namespace {

constexpr Seconds kLongestCpuPoint{2};

/// One run over the plan. Each measure() times one point and keeps what it says.
class CpuRun {
 public:
  explicit CpuRun(const CpuMeasureOptions& options)
      : options_(options), processor_(cpu::read_processor()), libraries_(cpu::gemm_libraries()) {
    if (options.threads < 0 || options.threads > processor_.processors) {
      throw UserError(fmt::format("threads: {} is not from 1 to {}, the processors that this process may use",
                                  options.threads, processor_.processors));
    }
    CpuFacts& facts = result_.facts;
    facts.device = options.device.empty() ? name_with_dashes(processor_.model, "cpu") : options.device;
    facts.model = processor_.model;
    facts.processors = processor_.processors;
    facts.cores = processor_.cores;
    facts.threads = options.threads > 0 ? options.threads : processor_.cores;
    facts.memory = processor_.memory;
    facts.l2 = processor_.cache(2);
    facts.last_cache = processor_.last_cache();
    facts.caches_known = processor_.caches_known;
    result_.measurements.files = {"moesaic calibrate --device cpu"};
  }

  CpuCalibration run() {
    const bool quick = options_.budget < kQuick;
    const std::vector<CpuPoint> plan = cpu_plan(processor_, libraries_, {result_.facts.threads, quick});
    result_.total = plan.size();
    const Seconds begin = options_.clock();
    std::size_t skipped = 0;
    look_for_noise();
    for (std::size_t i = 0; i < plan.size() && !stopped(); ++i) {
      const Seconds left = options_.budget - (options_.clock() - begin);
      if (left.value <= 0 && !plan[i].essential) {
        ++skipped;
        continue;
      }
      if (i == plan.size() / 2) {
        look_for_noise();
      }
      rule_ = {.budget = std::min(left / static_cast<double>(plan.size() - i), kLongestCpuPoint)};
      rule_.warm_up = rule_.budget * 0.2;
      measure_point(plan[i]);
    }
    result_.stopped = stopped();
    look_for_noise();
    add_warnings(skipped, quick);
    return std::move(result_);
  }

 private:
  bool stopped() const { return options_.stop != nullptr && options_.stop->load(std::memory_order_relaxed); }

  void look_for_noise() {
    const MachineNoise noise = measure_noise(options_.clock);
    double& worst = result_.facts.noise.fixed_work_spread;
    worst = std::max(worst, noise.spread);
    result_.facts.noise.noisy |= noise.noisy;
  }

  void measure_point(const CpuPoint& point) {
    const std::string what = describe(point, libraries_);
    if (options_.progress) {
      options_.progress({result_.done, result_.total, what});
    }
    timed_ = false;
    try {
      std::visit([this](const auto& of) { measure(of); }, point.what);
    } catch (const std::bad_alloc&) {
      result_.warnings.push_back(what + ": not enough memory");
    } catch (const UserError&) {
      throw;
    } catch (const std::runtime_error& error) {
      result_.warnings.push_back(what + ": " + printable(error.what()));
    }
    result_.done += timed_ ? 1 : 0;
  }

  Timing time(const std::function<void()>& call, Caches caches, const std::function<void()>& prepare = {}) {
    rule_.caches = caches;
    const Timing timing = time_calls(call, rule_, options_.clock, options_.stop, prepare);
    if (timing.samples > 0) {
      timed_ = true;
      result_.facts.noise.noisy_points += timing.noisy ? 1 : 0;
    }
    return timing;
  }

  void record(const MeasurementKey& key, const ShapeValues& shape, const Timing& timing) {
    if (timing.samples > 0) {
      Measurements& all = result_.measurements;
      const auto line = static_cast<std::uint32_t>(all.rows.size() + 1);
      all.rows.push_back({all.key_index(key), 0, line, shape, timing.median});
    }
  }
  MeasurementKey key(Family family, DType dtype, std::string_view kv_dtype, const std::string& kernel) const {
    return {family, result_.facts.device, std::string(kCpuStack), std::string(name(dtype)), std::string(kv_dtype),
            kernel};
  }
  Caches caches_for(Bytes data) const { return data > processor_.last_cache() * 1.5 ? Caches::cold : Caches::warm; }
  cpu::Threads threads() const { return cpu::Threads(result_.facts.threads); }

  void measure(const DispatchPoint& point) {
    const cpu::Threads team(point.threads);
    const Timing timing = time([&] { cpu::dispatch_empty(team); }, Caches::warm);
    if (timing.samples > 0) {
      result_.facts.dispatch = timing.median;
    }
  }

  void measure(const StreamPoint& point) {
    cpu::StreamArrays arrays(point.stream, point.footprint, cpu::Threads(point.threads));
    constexpr double kLeastTraffic = 20e6;  // of each thread in one call: the start of a call must not show
    const double traffic = arrays.traffic().value;
    const int passes = std::max(1, static_cast<int>(kLeastTraffic * point.threads / traffic));
    const Timing timing = time([&] { arrays.run(passes); }, point.level == "memory" ? Caches::cold : Caches::warm);
    if (timing.samples > 0) {
      result_.facts.bandwidth.push_back({std::string(cpu::name(point.stream)), point.level, point.footprint,
                                         point.threads, Bytes{traffic * passes} / timing.median, timing});
    }
  }

  void measure(const GemmPoint& point) {
    const cpu::GemmProblem& problem = point.problem;
    const auto same = [&](const GemmPoint& made) {
      return made.library == point.library && made.dtype == point.dtype && made.problem.n == problem.n &&
             made.problem.k == problem.k && made.problem.most_m >= point.m;
    };
    if (gemm_ == nullptr || !same(gemm_point_)) {
      gemm_.reset();  // before the next one asks for memory
      gemm_ = libraries_[point.library].make(point.dtype, problem, threads());
      gemm_point_ = point;
    }
    gemm_->prepare(point.m);
    const double bytes = point.dtype == DType::fp32 ? 4 : point.dtype == DType::bf16 ? 2 : 1;
    const Bytes weights{bytes * problem.n * problem.k * problem.copies};
    const Timing timing = time([&] { gemm_->run(); }, caches_for(weights));
    record(key(Family::gemm, point.dtype, "", libraries_[point.library].name),
           {double(problem.n), double(problem.k), double(point.m)}, timing);
    if (timing.samples > 0) {
      const Flops work{2.0 * point.m * problem.n * problem.k};
      keep_peak(result_.facts.peaks, {point.dtype, work / timing.median, describe({point}, libraries_), timing});
    }
  }

  void measure(const DecodePoint& point) {
    const cpu::DecodeShape& shape = point.shape;
    cpu::DecodeAttention attention(shape, point.storage, point.copies, threads());
    const Timing timing = time([&] { attention.run(); }, caches_for(attention.cache_bytes() * point.copies));
    constexpr double kNoWindow = 0;
    record(key(Family::attention_decode, point.storage, name(point.storage), "own-paged"),
           {double(shape.q_heads), double(shape.kv_heads), double(shape.head_dim), double(shape.sequences),
            double(shape.context), kNoWindow},
           timing);
  }

  void measure(const ExpertPoint& point) {
    const cpu::ExpertShape& shape = point.shape;
    const auto same = [&](const ExpertPoint& made) {
      return made.storage == point.storage && made.shape.hidden == shape.hidden && made.shape.inter == shape.inter &&
             made.shape.experts == shape.experts && made.shape.top_k == shape.top_k;
    };
    if (experts_ == nullptr || !same(expert_point_)) {
      experts_.reset();
      experts_ = std::make_unique<cpu::ExpertFfn>(shape, point.storage, threads());
      expert_point_ = point;
    }
    int first = 0;
    const auto next_experts = [&] {  // else a few tokens would find their experts in the caches
      experts_->route_evenly(point.tokens, first);
      first = (first + point.tokens * shape.top_k) % shape.experts;
    };
    const Timing timing = time([&] { experts_->run(); }, caches_for(experts_->weight_bytes()), next_experts);
    constexpr double kMatrices = 3, kRanks = 1, kBalanced = 0;
    MeasurementKey key_of = key(Family::moe, point.storage, "", "own-blocked");
    if (point.storage == DType::int8 || point.storage == DType::int4) {
      key_of.dtype += "-wo";  // weights only: activations and arithmetic are of 32 bits
    }
    record(key_of,
           {double(shape.hidden), double(shape.inter), double(shape.top_k), double(shape.experts), kMatrices, kRanks,
            kRanks, kBalanced, double(point.tokens)},
           timing);
  }

  void measure(const ContentionPoint& point) {
    const cpu::Threads team(point.attention_threads);
    cpu::DecodeAttention attention(point.shape, point.storage, point.copies, team);
    cpu::StagingCopy copy(point.weights, point.piece, cpu::Threads(1));
    const Caches caches = caches_for(attention.cache_bytes() * point.copies);
    rule_.budget = rule_.budget / 3.0;
    const Timing alone = time([&] { attention.run(); }, caches);
    const Timing copying = time([&] { copy.run(); }, caches);
    Background background([&] { copy.run(); }, options_.clock);
    const Timing beside = time([&] { attention.run(); }, caches);
    const Seconds copied = background.stop();
    if (alone.samples > 0 && copying.samples > 0 && beside.samples > 0 && copied.value > 0) {
      const Bytes cache = attention.cache_bytes();
      result_.facts.contention = {point.attention_threads,       cache / alone.median,  cache / beside.median,
                                  copy.piece() / copying.median, copy.piece() / copied, beside};
    }
  }

  void add_warnings(std::size_t skipped, bool quick) {
    CpuNoise& noise = result_.facts.noise;
    std::vector<std::string>& warnings = result_.warnings;
    noise.noisy |= static_cast<double>(noise.noisy_points) > kNoisyShare * static_cast<double>(result_.done);
    if (noise.noisy) {
      warnings.push_back(
          fmt::format("this machine is noisy: the same arithmetic takes up to {:.0f}% longer at times, and {} of {} "
                      "points spread by more than 10%; close other programs and measure again",
                      100 * noise.fixed_work_spread, noise.noisy_points, result_.done));
    }
    if (quick) {
      warnings.push_back(fmt::format("less than {:.0f} s: few and small points were measured", kQuick.value));
    }
    if (skipped > 0) {
      warnings.push_back(fmt::format("the time was over before {} of {} points", skipped, result_.total));
    }
    if (!processor_.caches_known) {
      warnings.push_back("the system does not tell the sizes of the caches; they are assumed");
    }
    for (const cpu::GemmLibrary& library : libraries_) {
      warnings.insert(warnings.end(), library.notes.begin(), library.notes.end());
    }
    if (libraries_.size() == 1) {
      warnings.push_back("neither OpenBLAS nor oneDNN is here: products were measured with our own plain loop");
    }
  }

  const CpuMeasureOptions& options_;
  cpu::Processor processor_;
  std::vector<cpu::GemmLibrary> libraries_;
  CpuCalibration result_;
  TimingRule rule_;
  bool timed_ = false;                     ///< something of the current point was
  std::unique_ptr<cpu::GemmKernel> gemm_;  ///< of gemm_point_; kept for the next m
  GemmPoint gemm_point_;
  std::unique_ptr<cpu::ExpertFfn> experts_;
  ExpertPoint expert_point_;
};

}  // namespace

const CpuBandwidth* CpuFacts::memory_bandwidth() const {
  const CpuBandwidth* best = nullptr;
  for (const CpuBandwidth& one : bandwidth) {
    if (one.level == "memory" && one.stream == "read" && (best == nullptr || one.rate > best->rate)) {
      best = &one;
    }
  }
  return best;
}

CpuCalibration measure_cpu(const CpuMeasureOptions& options) { return CpuRun(options).run(); }

}  // namespace moesaic
