#include "calibrate/measure_gpu.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <new>

#include "base/catalog.hpp"
#include "base/error.hpp"
#include "calibrate/gpu_transfers.hpp"
#include "calibrate/gpu_works.hpp"
#include "calibrate/import_names.hpp"
#include "calibrate/measured_machine.hpp"

namespace moesaic {
namespace {

constexpr Seconds kLongestGpuPoint{0.5};
constexpr Seconds kWarmUp{2};             // until an idle GPU has its full clock, and then what its power allows
constexpr double kWarmUpShare = 1. / 64;  // of a short budget
constexpr Bytes kRandom{64 * 1024 * 1024}, kGemmWorkspace{64 * 1024 * 1024};

/// The catalog's device of this name, if it is one of NVIDIA's.
std::optional<Device> catalog_device(const std::string& name) {
  const std::vector<CatalogEntry> entries = list_catalog("machines");
  const auto found =
      std::find_if(entries.begin(), entries.end(), [&](const CatalogEntry& entry) { return entry.name == name; });
  if (found == entries.end()) {
    return std::nullopt;
  }
  return read_machine(load_machine_config(found->file.string())).device;
}

/// What happened to points, each reason told once.
class Troubles {
 public:
  void add(const std::string& point, const std::string& what, const std::string& reason) {
    auto& [first, count] = found_[reason];
    first = count++ == 0 ? point + ": " + what : first;
  }
  void tell(std::vector<std::string>& warnings) const {
    for (const auto& [reason, points] : found_) {
      const auto& [first, count] = points;
      warnings.push_back(count == 1 ? first : fmt::format("{}; the same at {} other points", first, count - 1));
    }
  }

 private:
  std::map<std::string, std::pair<std::string, std::size_t>> found_;
};

class GpuRun {
 public:
  GpuRun(cuda::Runtime& runtime, const GpuMeasureOptions& options) : runtime_(runtime), options_(options) {
    result_.measurements.files = {"moesaic calibrate --device cuda"};
  }

  GpuCalibration run() {
    find_device();
    const bool quick = options_.budget < kQuick;
    GpuFacts& facts = result_.facts;
    const bool collectives = facts.devices > 1 && runtime_.nccl(facts.nccl).ok();
    const std::vector<GpuPoint> plan =
        gpu_plan(facts.properties, options_.shapes,
                 {.devices = facts.devices, .quick = quick, .host_nccl = collectives, .routing = options_.routing});
    result_.total = plan.size();
    try {
      measure_all(plan, quick);
    } catch (const cuda::Error& error) {
      result_.lost = error.what();
    }
    result_.stopped = raised();
    if (quick) {
      warn(fmt::format("less than {:.0f} s: few and small points were measured", kQuick.value));
    }
    if (facts.devices > 1 && !collectives) {
      warn("NCCL is not here: no collective was measured");
    }
    add_warnings();
    return std::move(result_);
  }

 private:
  bool raised() const { return options_.stop != nullptr && options_.stop->load(std::memory_order_relaxed); }
  void trouble(const std::string& what) { troubles_.add(point_, what, what); }
  void warn(std::string text) { result_.warnings.push_back(std::move(text)); }

  void find_device() {
    try {
      GpuFacts& facts = result_.facts;
      cuda::check(runtime_.device_count(facts.devices), "looking for GPUs");
      if (facts.devices < 1) {
        throw UserError("--device cuda: there is no GPU here");
      }
      cuda::check(runtime_.properties(0, facts.properties), "asking the GPU for its properties");
      cuda::check(runtime_.set_device(0), "choosing a GPU");
      facts.device = device_name(facts.properties.name);
      facts.datasheet = catalog_device(facts.device);
      if (!facts.datasheet) {
        facts.device = name_with_dashes(facts.device, "gpu");
      }
    } catch (const cuda::Error& error) {
      throw UserError(fmt::format("--device cuda: {}", error.what()));
    }
  }

  void measure_all(const std::vector<GpuPoint>& plan, bool quick) {
    const cuda::Owned stream = cuda::create_stream(runtime_);
    const double part = quick ? 1.0 / 16 : 1;
    const RandomBlock random(runtime_, stream.get(), kRandom * part, 1);
    const cuda::Owned workspace = cuda::allocate(runtime_, kGemmWorkspace * part);
    const GpuBench bench{runtime_, stream.get(),    result_.facts.properties,
                         random,   workspace.get(), kGemmWorkspace * part};
    bench_ = &bench;
    const Seconds begin = options_.clock();
    point_ = "warming up";
    attempt([this] { warm_up(); });
    std::size_t skipped = 0;
    for (std::size_t i = 0; i < plan.size() && !raised(); ++i) {
      const Seconds left = options_.budget - (options_.clock() - begin);
      if (left.value <= 0 && !plan[i].essential) {
        ++skipped;
        continue;
      }
      patience_ = {
          {.budget = std::min(std::max(left, Seconds{}) / static_cast<double>(plan.size() - i), kLongestGpuPoint)},
          options_.clock,
          options_.stop};
      patience_.rule.warm_up = std::min(patience_.rule.budget * 0.2, Seconds{5e-3});
      measure_point(plan[i]);
    }
    if (skipped > 0) {
      warn(fmt::format("the time was over before {} of {} points", skipped, result_.total));
    }
  }

  void measure_point(const GpuPoint& point) {
    point_ = describe(point);
    if (options_.progress) {
      options_.progress({result_.done, result_.total, point_});
    }
    attempt([&] {
      std::visit([this](const auto& of) { measure(of); }, point.what);
      look_at_sensors();
    });
  }

  template <class Action>
  void attempt(const Action& action) {
    try {
      action();
    } catch (const cuda::Error& error) {
      if (error.failure() == cuda::Failure::device_lost || error.failure() == cuda::Failure::no_device) {
        throw cuda::Error(error.failure(), point_, error.what());
      }
      troubles_.add(point_, error.what(), error.reason());
    } catch (const std::bad_alloc&) {
      trouble("not enough memory of the host");
    }
  }

  void warm_up() {
    constexpr double kSize = 4096;
    const Seconds time = std::min(kWarmUp, options_.budget * kWarmUpShare);
    const char* dtype = bench_->device.major >= 8 ? "bf16" : "fp16";
    const PreparedWorks works = prepare(*bench_, {Family::gemm, dtype, "", "cublaslt", {kSize, kSize, kSize}});
    patience_ = {{.warm_up = time, .budget = 2 * time}, options_.clock, options_.stop};
    this->time(works);
  }

  void look_at_sensors() {
    const cuda::Sensors sensors = runtime_.sensors(0);
    if (!sensors.known) {
      return;
    }
    GpuFacts& facts = result_.facts;
    facts.hottest = std::max(facts.hottest, sensors.celsius);
    facts.slowest_clock = facts.sensors_known ? std::min(facts.slowest_clock, sensors.core_clock) : sensors.core_clock;
    facts.sensors_known = true;
  }

  /// Whether a time may be kept. Events that saw nothing, or no number, are no measurement.
  bool usable(const Timing& timing) {
    if (timing.samples == 0) {
      return false;
    }
    if (!std::isfinite(timing.median.value) || timing.median.value <= 0) {
      trouble("its time is no positive number");
      return false;
    }
    ++result_.done;
    result_.facts.noisy_points += timing.noisy ? 1 : 0;
    return true;
  }

  Timing time(const PreparedWorks& works) {
    return cuda::time_chains(runtime_, bench_->stream, works.chains, patience_);
  }

  void measure(const GpuLaunchPoint& point) {
    const auto enqueue = [&](int) { cuda::check(runtime_.launch(cuda::EmptyWork{}, bench_->stream), "launching"); };
    const Timing timing = cuda::time_on_stream(runtime_, bench_->stream, {enqueue, 1, point.graph}, patience_);
    if (usable(timing)) {
      (point.graph ? result_.facts.replay : result_.facts.launch) = timing.median;
    }
  }

  void measure(const GpuStreamPoint& point) {
    const PreparedWorks works = prepare(*bench_, point);
    patience_.rule.caches = point.level == "memory" ? Caches::cold : Caches::warm;
    const Timing timing = time(works);
    if (usable(timing)) {
      constexpr std::string_view kNames[] = {"read", "write", "copy", "triad"};
      const auto& work = std::get<cuda::StreamWork>(works.chains[0][0]);
      result_.facts.bandwidth.push_back({std::string(kNames[static_cast<std::size_t>(point.stream)]), point.level,
                                         point.footprint, traffic(work) / timing.median, timing});
    }
  }

  void measure(const GpuChasePoint& point) {
    std::uint32_t steps = 1;
    const PreparedWorks works = prepare(*bench_, point, steps);
    const Timing timing = time(works);
    if (usable(timing)) {
      result_.facts.latency.push_back({point.level, point.footprint, timing.median / steps, timing});
    }
  }

  void measure(const GpuCopyPoint& point) {
    const Timing timing = time_copy(*bench_, point, patience_);
    if (usable(timing)) {
      const double ways = point.direction == CopyDirection::both ? 2 : 1;
      result_.facts.copies.push_back(
          {point.direction, point.pinned, point.bytes, ways * point.bytes / timing.median, timing});
    }
  }

  void measure(const GpuPeerPoint& point) {
    const Timing timing = time_peer_copy(*bench_, point, patience_);
    if (usable(timing)) {
      result_.facts.peer_copies.push_back({point.bytes, point.bytes / timing.median, timing});
    }
  }

  void measure(const GpuIssuePoint& point) {
    const PreparedWorks works = prepare(*bench_, point);
    const Timing timing = time(works);
    if (usable(timing)) {
      keep_peak(result_.facts.peaks,
                {point.dtype, cuda::floor(works.chains[0][0]).flops / timing.median, point_, timing});
    }
  }

  void measure(const GpuOverlapPoint& point) {
    if (const std::optional<GpuOverlap> overlap = measure_overlap(*bench_, point.direction, patience_)) {
      ++result_.done;
      result_.facts.overlaps.push_back(*overlap);
    }
  }

  void measure(const GpuStatePoint& point) {
    const PreparedWorks works = prepare(*bench_, point);
    const Timing timing = time(works);
    if (usable(timing)) {
      result_.facts.others.push_back({point_, cuda::floor(works.chains[0][0]).bytes / timing.median, timing});
    }
  }

  /// Connecting the ranks takes longer than a point, so one communicator serves all points of as many.
  Timing measure_collective(const GpuKernelPoint& point) {
    const int ranks = ranks_of(point);
    if (const auto known = unconnected_.find(ranks); known != unconnected_.end()) {
      throw cuda::Error(known->second);  // trying takes seconds
    }
    if (communicator_ranks_ != ranks) {
      communicator_ranks_ = 0;
      communicator_.reset();
      try {
        communicator_ = cuda::create_communicator(runtime_, ranks);
      } catch (const cuda::Error& error) {
        unconnected_.emplace(ranks, error);
        throw;
      }
      communicator_ranks_ = ranks;
    }
    try {
      return time_collective(*bench_, point, communicator_.get(), patience_);
    } catch (const cuda::Error&) {
      communicator_ranks_ = 0;  // nobody knows how far each rank came
      throw;
    }
  }

  void measure(const GpuKernelPoint& point) {
    patience_.rule.caches = Caches::cold;
    if (point.family == Family::collective) {
      record(point, measure_collective(point));
      return;
    }
    const PreparedWorks works = prepare(*bench_, point);
    const Timing timing = time(works);
    if (!record(point, timing)) {
      return;
    }
    cuda::Floor least;
    for (const cuda::Work& work : works.chains[0]) {
      const cuda::Floor own = cuda::floor(work);
      least.bytes += own.bytes;
      least.flops += own.flops;
    }
    const DType dtype = kernel_formats_dtype(point.dtype);
    constexpr std::size_t kSkew = 7;
    if (point.family == Family::moe && (point.shape[kSkew] > 0 || point.kernel.find('/') != std::string::npos)) {
      least.bytes = {};  // uneven choices leave experts unread
    }
    doubt(dtype, least, timing);
    if (point.family == Family::gemm) {
      keep_peak(result_.facts.peaks, {dtype, least.flops / timing.median, point_, timing});
    }
  }

  static DType kernel_formats_dtype(const std::string& dtype) { return parse_storage_type(dtype).dtype; }

  bool record(const GpuKernelPoint& point, const Timing& timing) {
    if (!usable(timing)) {
      return false;
    }
    Measurements& all = result_.measurements;
    const MeasurementKey key{point.family, result_.facts.device, std::string(kGpuStack),
                             point.dtype,  point.kv_dtype,       point.kernel};
    const auto line = static_cast<std::uint32_t>(all.rows.size() + 1);
    all.rows.push_back({all.key_index(key), 0, line, point.shape, timing.median});
    return true;
  }

  /// Nothing is faster than the datasheet: a time below what arithmetic takes at its peak rate is a mistake, of the
  /// clock, of the kernel or of the catalog. Bytes that fit into the L2 cache may come from there.
  void doubt(DType dtype, const cuda::Floor& least, const Timing& timing) {
    const GpuFacts& facts = result_.facts;
    if (!facts.datasheet) {
      return;
    }
    constexpr double kTolerance = 0.97;
    const FlopsPerSecond peak = facts.datasheet->units[0].peak[static_cast<std::size_t>(dtype)];
    const double arithmetic = peak.value > 0 ? (least.flops / peak).value : 0;
    const double moved = least.bytes > 2 * facts.properties.l2
                             ? ((least.bytes - facts.properties.l2) / facts.datasheet->memory.bandwidth).value
                             : 0;
    if (timing.median.value < kTolerance * std::max(arithmetic, moved)) {
      trouble("faster than the datasheet's peak rates allow");
    }
  }

  void add_warnings() {
    const GpuFacts& facts = result_.facts;
    troubles_.tell(result_.warnings);
    if (static_cast<double>(facts.noisy_points) > kNoisyShare * static_cast<double>(result_.done)) {
      warn(fmt::format("{} of {} points spread by more than 10%: something else uses the GPU, or its clock changes",
                       facts.noisy_points, result_.done));
    }
    const PerSecond full = facts.properties.core_clock;
    constexpr double kSlow = 0.7;
    if (facts.sensors_known && facts.slowest_clock < full * kSlow) {
      warn(
          fmt::format("the clock went down to {:.0f} of {:.0f} MHz, at up to {:.0f} degrees Celsius: power or heat "
                      "limits this GPU",
                      facts.slowest_clock.value * 1e-6, full.value * 1e-6, facts.hottest));
    }
  }

  cuda::Runtime& runtime_;
  const GpuMeasureOptions& options_;
  GpuCalibration result_;
  const GpuBench* bench_ = nullptr;
  cuda::Patience patience_;
  cuda::Owned communicator_;
  int communicator_ranks_ = 0;
  std::map<int, cuda::Error> unconnected_;  ///< by ranks
  std::string point_;                       ///< that is being measured
  Troubles troubles_;
};

const GpuCopy* extreme_copy(const std::vector<GpuCopy>& copies, CopyDirection direction, bool largest) {
  const GpuCopy* best = nullptr;
  for (const GpuCopy& copy : copies) {
    if (copy.direction == direction && copy.pinned &&
        (best == nullptr || (largest ? copy.bytes >= best->bytes : copy.bytes < best->bytes))) {
      best = &copy;
    }
  }
  return best;
}

}  // namespace

const GpuBandwidth* GpuFacts::memory_bandwidth() const {
  const GpuBandwidth* best = nullptr;
  for (const GpuBandwidth& one : bandwidth) {
    if (one.level == "memory" && one.stream == "read" &&
        (best == nullptr || std::pair{one.footprint, one.rate} > std::pair{best->footprint, best->rate})) {
      best = &one;
    }
  }
  return best;
}

const GpuCopy* GpuFacts::largest_copy(CopyDirection direction) const { return extreme_copy(copies, direction, true); }
const GpuCopy* GpuFacts::smallest_copy(CopyDirection direction) const { return extreme_copy(copies, direction, false); }

GpuCalibration measure_gpu(cuda::Runtime& runtime, const GpuMeasureOptions& options) {
  return GpuRun(runtime, options).run();
}

}  // namespace moesaic
