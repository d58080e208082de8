#include "calibrate/gpu_plan.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/error.hpp"
#include "calibrate/kernel_model.hpp"
#include "calibrate/measured_facts.hpp"
#include "model/routing.hpp"

namespace moesaic {
namespace {

constexpr Bytes kSmallCopy{4096}, kLargeCopy{64 * kMiB};
constexpr Seconds kLongestCall{15e-3};  // at peak rates
constexpr double kLargestShare = 0.25;  // of the device's memory, for the data of one point

KernelMachine figures(const cuda::DeviceProperties& device) {
  KernelMachine machine;
  for (std::size_t i = 0; i < kDTypeCount; ++i) {
    machine.seconds_per_flop[i] = 1 / nominal_peak(device, static_cast<DType>(i)).value;
  }
  machine.seconds_per_byte = 1 / nominal_bandwidth(device).value;
  machine.multiprocessors = device.multiprocessors;
  machine.cache = device.l2.value;
  machine.link_seconds_per_byte = 1 / 25e9;
  return machine;
}

struct GpuDemand {
  Seconds call{};  ///< at peak rates
  Bytes data{};
};

GpuDemand demand(const cuda::DeviceProperties& device, const GpuKernelPoint& point) {
  const KernelSetting setting{point.family, kernel_formats(point.dtype, point.kv_dtype), point.kernel, figures(device)};
  const KernelTerms terms = kernel_point(setting, point.shape).terms;
  double data = std::max(terms.footprint, terms.memory / setting.machine.seconds_per_byte);
  if (point.family == Family::moe) {  // whatever the tokens choose, all experts are there
    data += point.shape[0] * point.shape[1] / point.shape[5] * point.shape[3] * point.shape[4] *
            setting.formats.weight_bytes;
  } else if (point.family == Family::collective) {
    data = 2 * point.shape[0];
  }
  return {{std::max(terms.compute, terms.memory)}, {data}};
}

/// The points of one family, most important first.
using Lane = std::vector<GpuPoint>;

class Planner {
 public:
  Planner(const cuda::DeviceProperties& device, const ModelShapes& shapes, const GpuPlanOptions& options)
      : device_(device), shapes_(shapes), options_(options) {}

  std::vector<GpuPoint> run() {
    add_essential();
    add_rates();
    std::vector<Lane> lanes;
    if (options_.quick) {
      lanes.push_back(quick_kernels());
    } else {
      lanes = {products("bf16", 40, kAllRows),
               products("fp8", 28, kManyRows),
               products("int8", 10, kFewRows),
               products("fp16", 6, kFewRows),
               products("fp32", 5, kFewRows),
               skinny_products(),
               latent_products(),
               decode("bf16"),
               decode("fp8"),
               latent_decode(),
               prefill(),
               states(),
               experts(),
               elementwise(),
               collectives()};
    }
    interleave(lanes);
    return std::move(plan_);
  }

 private:
  using Rows = std::vector<double>;
  static const Rows kAllRows, kManyRows, kFewRows;

  bool has(std::string_view dtype) const {
    const int capability = 10 * device_.major + device_.minor;
    return capability >= (dtype == "fp8" ? 89 : dtype == "bf16" ? 80 : 70);
  }

  void add(Lane& lane, const GpuKernelPoint& point, bool essential = false) const {
    const GpuDemand needs = demand(device_, point);
    if (has(point.dtype) && has(point.kv_dtype) && needs.call < kLongestCall &&
        needs.data < device_.memory * kLargestShare) {
      lane.push_back({point, essential});
    }
  }

  void interleave(const std::vector<Lane>& lanes) {
    std::vector<std::pair<double, const GpuPoint*>> all;
    for (const Lane& lane : lanes) {
      for (std::size_t i = 0; i < lane.size(); ++i) {
        all.emplace_back((static_cast<double>(i) + 0.5) / static_cast<double>(lane.size()), &lane[i]);
      }
    }
    std::stable_sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
    for (const auto& [place, point] : all) {
      plan_.push_back(*point);
    }
  }

  void add_essential() {
    plan_.push_back({GpuLaunchPoint{true}, true});
    plan_.push_back({GpuLaunchPoint{false}, true});
    plan_.push_back({GpuStreamPoint{cuda::Stream::read, "memory", memory_footprint()}, true});
    plan_.push_back({GpuCopyPoint{CopyDirection::to_device, true, kSmallCopy}, true});
    plan_.push_back({GpuCopyPoint{CopyDirection::to_device, true, kLargeCopy}, true});
    const double size = options_.quick ? 1024 : 8192;
    for (const char* dtype : {"bf16", "fp16", "fp8", "int8"}) {
      add(plan_, {Family::gemm, dtype, "", "cublaslt", {size, size, size}}, true);
    }
    add(plan_, {Family::gemm, "fp32", "", "cublaslt", {size / 2, size / 2, size / 2}}, true);
  }

  Bytes l2() const { return std::max(device_.l2, Bytes{4 * kMiB}); }
  /// So large that neither the cache nor the start of a kernel shows.
  Bytes memory_footprint() const {
    return std::min(std::max(16 * l2(), Bytes{1024 * kMiB}), device_.memory * kLargestShare);
  }

  void add_rates() {
    for (const DType dtype : {DType::bf16, DType::fp16, DType::fp8, DType::int8}) {
      if (has(name(dtype))) {
        plan_.push_back({GpuIssuePoint{dtype, true}});
      }
    }
    plan_.push_back({GpuIssuePoint{DType::fp32, false}});
    const std::vector<double> sizes =
        options_.quick ? std::vector<double>{0.25} : std::vector<double>{0.125, 0.25, 0.5, 1, 2, 4, 8, 16};
    for (const cuda::Stream stream :
         {cuda::Stream::read, cuda::Stream::write, cuda::Stream::copy, cuda::Stream::triad}) {
      for (const double size : sizes) {
        const char* level = size <= 0.5 ? "L2" : size >= 8 ? "memory" : "between";
        plan_.push_back({GpuStreamPoint{stream, level, std::min(l2() * size, memory_footprint())}});
      }
    }
    plan_.push_back({GpuChasePoint{"L2", std::min(l2() / 4, Bytes{4 * kMiB})}});
    plan_.push_back({GpuChasePoint{"memory", options_.quick ? 2 * l2() : 4 * l2()}});
    add_copies();
    if (options_.devices > 1) {
      for (const double bytes : {4096., kMiB, 16 * kMiB, 256 * kMiB}) {
        plan_.push_back({GpuPeerPoint{{bytes}}});
      }
    }
    for (const CopyDirection direction : {CopyDirection::to_device, CopyDirection::to_host}) {
      plan_.push_back({GpuOverlapPoint{direction}});
    }
  }

  void add_copies() {
    const std::vector<double> sizes =
        options_.quick ? std::vector<double>{kMiB}
                       : std::vector<double>{kSmallCopy.value, 65536, kMiB, 16 * kMiB, kLargeCopy.value, 256 * kMiB};
    for (const bool pinned : {true, false}) {
      for (const CopyDirection direction : {CopyDirection::to_device, CopyDirection::to_host}) {
        for (const double bytes : sizes) {
          const bool known = pinned && direction == CopyDirection::to_device &&
                             (bytes == kSmallCopy.value || bytes == kLargeCopy.value);
          if (!known) {  // else it is one of the essential points
            plan_.push_back({GpuCopyPoint{direction, pinned, {bytes}}});
          }
        }
      }
    }
    plan_.push_back({GpuCopyPoint{CopyDirection::both, true, {sizes.back()}}});
  }

  Lane products(const std::string& dtype, std::size_t count, const Rows& rows) const {
    Lane lane;
    const auto size = [](const ProductShape& shape) { return shape.n * shape.k; };
    for (const ProductShape& shape : chosen_shapes(shapes_.products, count, size)) {
      // What 8-bit formats need; fp8 is quantised in blocks of 128.
      const bool aligned = shape.n % 16 == 0 && shape.k % (dtype == "fp8" ? 128 : 16) == 0;
      for (const double m : rows) {
        if (aligned || dtype.find('8') == std::string::npos) {
          add(lane, {Family::gemm, dtype, "", "cublaslt", {double(shape.n), double(shape.k), m}});
        }
      }
    }
    return lane;
  }

  /// By our own kernel for few rows, in the shapes that cuBLASLt is measured in too.
  Lane skinny_products() const {
    Lane lane;
    const auto size = [](const ProductShape& shape) { return shape.n * shape.k; };
    for (const ProductShape& shape : chosen_shapes(shapes_.products, 28, size)) {
      for (const char* dtype : {"bf16", "fp8"}) {
        for (const double m : {1., 4., 8.}) {
          if (shape.k % 16 == 0 && shape.n % 16 == 0) {
            add(lane, {Family::gemm, dtype, "", "own-skinny", {double(shape.n), double(shape.k), m}});
          }
        }
      }
    }
    return lane;
  }

  Lane latent_products() const {
    Lane lane;
    for (const std::int64_t heads : shapes_.latent_heads) {
      for (const double tokens : {1., 8., 64., 512.}) {
        for (const char* operation : {"pre", "post"}) {
          add(lane, {Family::mla_bmm, "bf16", "", operation, {double(heads), tokens}});
        }
      }
    }
    return lane;
  }

  Lane decode(const std::string& kv) const {
    Lane lane;
    const auto size = [](const HeadShape& shape) { return shape.kv_heads * shape.head_dim; };
    for (const HeadShape& shape : chosen_shapes(shapes_.heads, 24, size)) {
      if (shape.head_dim != 64 && shape.head_dim != 128 && shape.head_dim != 256) {
        continue;
      }
      for (const double sequences : {1., 8., 32., 128.}) {
        for (const double context : {512., 2048., 8192., 32768.}) {
          add(lane, {Family::attention_decode,
                     "bf16",
                     kv,
                     "own-paged",
                     {double(shape.q_heads), double(shape.kv_heads), double(shape.head_dim), sequences, context,
                      double(shape.window)}});
        }
      }
    }
    return lane;
  }

  Lane latent_decode() const {
    Lane lane;
    for (const std::int64_t heads : shapes_.latent_heads) {
      for (const double sequences : {1., 4., 16., 64., 128.}) {
        for (const double context : {512., 2048., 8192., 32768.}) {
          add(lane, {Family::mla_decode, "bf16", "bf16", "own-absorbed", {double(heads), sequences, context}});
        }
      }
    }
    return lane;
  }

  Lane prefill() const {
    Lane lane;
    const auto size = [](const HeadShape& shape) { return shape.q_heads * shape.head_dim; };
    for (const HeadShape& shape : chosen_shapes(shapes_.heads, 16, size)) {
      if (shape.head_dim != 64 && shape.head_dim != 128) {
        continue;
      }
      for (const auto& [sequences, tokens] :
           {std::pair{1., 128.}, {1., 512.}, {1., 2048.}, {1., 8192.}, {8., 128.}, {8., 512.}, {4., 2048.}}) {
        constexpr double kNoPrefix = 0;
        add(lane, {Family::attention_prefill,
                   "bf16",
                   "bf16",
                   "own-tiled",
                   {double(shape.q_heads), double(shape.kv_heads), double(shape.head_dim), sequences, tokens, kNoPrefix,
                    double(shape.window)}});
      }
    }
    return lane;
  }

  Lane states() const {
    Lane lane;
    for (const StateShape& shape : shapes_.states) {
      for (const int sequences : {1, 8, 64, 256}) {
        if (shape.head_dim == 64 || shape.head_dim == 128) {
          lane.push_back({GpuStatePoint{shape, sequences}});
        }
      }
    }
    return lane;
  }

  /// Whether the user's routing is one of this many experts.
  bool routes(const RoutedShape& shape) const {
    try {
      return !options_.routing.empty() && Routing::parse(options_.routing, shape.experts, shape.top_k).top_k() > 0;
    } catch (const UserError&) {
      return false;
    }
  }

  Lane experts() const {
    Lane lane;
    bool routed = options_.routing.empty();
    const auto size = [](const RoutedShape& shape) { return shape.hidden * shape.inter / shape.tensor; };
    for (const RoutedShape& shape : chosen_shapes(shapes_.experts, 16, size)) {
      const std::int64_t inter = shape.inter / shape.tensor;
      if (shape.hidden % 16 != 0 || inter % 16 != 0 || shape.top_k > 32 || shape.experts > 1024) {
        continue;
      }
      const auto at = [&](const std::string& kernel, double skew, double tokens) {
        constexpr double kMatrices = 3, kRanks = 1;
        return GpuKernelPoint{Family::moe,
                              "bf16",
                              "",
                              kernel,
                              {double(shape.hidden), double(shape.inter), double(shape.top_k), double(shape.experts),
                               kMatrices, double(shape.tensor), kRanks, skew, tokens}};
      };
      const bool by_routing = routes(shape);
      routed |= by_routing;
      for (const double tokens : {1., 2., 4., 8., 16., 32., 64., 128., 256., 512., 1024., 4096.}) {
        add(lane, at("own-grouped", 0, tokens));
      }
      for (const double tokens : {16., 128., 1024.}) {
        add(lane, at("own-grouped", 1.2, tokens));
        add(lane, at("own-grouped/uniform", 0, tokens));
        add(lane, at("own-grouped/zipf:1", 0, tokens));
        if (by_routing) {
          add(lane, at("own-grouped/" + options_.routing, 0, tokens));
        }
      }
    }
    if (!routed) {
      throw UserError(fmt::format("--routing: '{}' routes no network's experts", printable(options_.routing)));
    }
    return lane;
  }

  Lane elementwise() const {
    Lane lane;
    const auto size = [](std::int64_t width) { return width; };
    const Rows tokens = {1, 8, 64, 512, 2048, 8192};
    for (const std::int64_t width : chosen_shapes(shapes_.hidden, 8, size)) {
      for (const double count : tokens) {
        add(lane, {Family::elementwise, "bf16", "", "norm", {double(width), count}});
        if (width % 128 == 0) {
          add(lane, {Family::elementwise, "bf16", "", "rotary", {double(width), count}});
          add(lane, {Family::quantize, "fp8-block", "", "own-blocks", {double(width), count}});
        }
      }
    }
    for (const std::int64_t width : chosen_shapes(shapes_.inner, 8, size)) {
      for (const double count : tokens) {
        if (width % 8 == 0) {
          add(lane, {Family::elementwise, "bf16", "", "activation", {double(width), count}});
        }
      }
    }
    std::vector<std::int64_t> routers;
    for (const RoutedShape& shape : shapes_.experts) {
      const bool usable = shape.experts <= 1024 && shape.top_k <= shape.experts;
      if (usable && std::find(routers.begin(), routers.end(), shape.experts) == routers.end()) {
        routers.push_back(shape.experts);
      }
    }
    for (const std::int64_t width : routers) {
      for (const double count : tokens) {
        add(lane, {Family::elementwise, "bf16", "", "routing", {double(width), count}});
      }
    }
    return lane;
  }

  Lane collectives() const {
    Lane lane;
    if (options_.devices < 2 || !options_.host_nccl) {
      return lane;
    }
    std::vector<int> ranks;
    for (int count = 2; count < options_.devices; count *= 2) {
      ranks.push_back(count);
    }
    ranks.push_back(options_.devices);
    std::reverse(ranks.begin(), ranks.end());
    for (const int count : ranks) {
      for (const char* op : {"all_reduce", "all_gather", "reduce_scatter", "all_to_all", "send_recv"}) {
        for (double kib = 4; kib <= 512 * 1024; kib *= 4) {
          const double bytes = kib * 1024 - std::fmod(kib * 1024, 16.0 * count);
          lane.push_back({GpuKernelPoint{Family::collective, "bf16", "", op, {bytes, double(count), double(count)}}});
        }
      }
    }
    return lane;
  }

  /// One small point of every family.
  Lane quick_kernels() const {
    Lane lane;
    add(lane, {Family::gemm, "bf16", "", "cublaslt", {512, 512, 8}});
    add(lane, {Family::gemm, "bf16", "", "own-skinny", {512, 512, 8}});
    add(lane, {Family::mla_bmm, "bf16", "", "pre", {16, 8}});
    for (const char* kv : {"bf16", "fp8"}) {
      add(lane, {Family::attention_decode, "bf16", kv, "own-paged", {8, 2, 128, 2, 256, 0}});
    }
    add(lane, {Family::attention_prefill, "bf16", "bf16", "own-tiled", {8, 2, 128, 1, 256, 0, 0}});
    add(lane, {Family::mla_decode, "bf16", "bf16", "own-absorbed", {16, 2, 256}});
    lane.push_back({GpuStatePoint{{8, 128}, 2}});
    add(lane, {Family::moe, "bf16", "", "own-grouped", {256, 128, 2, 8, 3, 1, 1, 0, 8}});
    add(lane, {Family::moe, "bf16", "", "own-grouped/zipf:1", {256, 128, 2, 8, 3, 1, 1, 0, 8}});
    for (const char* kernel : {"norm", "rotary", "activation"}) {
      add(lane, {Family::elementwise, "bf16", "", kernel, {512, 8}});
    }
    add(lane, {Family::elementwise, "bf16", "", "routing", {8, 8}});
    add(lane, {Family::quantize, "fp8-block", "", "own-blocks", {512, 8}});
    if (options_.devices > 1 && options_.host_nccl) {
      const auto count = static_cast<double>(options_.devices);
      lane.push_back({GpuKernelPoint{Family::collective, "bf16", "", "all_reduce", {4096 * count, count, count}}});
    }
    return lane;
  }

  const cuda::DeviceProperties& device_;
  const ModelShapes& shapes_;
  const GpuPlanOptions& options_;
  std::vector<GpuPoint> plan_;
};

const Planner::Rows Planner::kAllRows = {1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192};
const Planner::Rows Planner::kManyRows = {1, 4, 16, 32, 64, 128, 256, 512, 2048, 8192};
const Planner::Rows Planner::kFewRows = {1, 8, 32, 128, 512, 2048};

}  // namespace

std::vector<GpuPoint> gpu_plan(const cuda::DeviceProperties& device, const ModelShapes& shapes,
                               const GpuPlanOptions& options) {
  return Planner(device, shapes, options).run();
}

BytesPerSecond nominal_bandwidth(const cuda::DeviceProperties& device) {
  constexpr double kPerClock = 2;
  const double rate = kPerClock * device.memory_clock.value * device.memory_bus_bits / 8;
  return {rate > 0 ? rate : 1e12};
}

FlopsPerSecond nominal_peak(const cuda::DeviceProperties& device, DType dtype) {
  // One multiprocessor in one clock: tensor cores as in Ampere, which later ones exceed.
  const double tensor = dtype == DType::fp32 || dtype == DType::fp64                         ? 256
                        : dtype == DType::fp8 || dtype == DType::int8 || dtype == DType::fp4 ? 4096
                                                                                             : 2048;
  const double clock = device.core_clock.value > 0 ? device.core_clock.value : 1.4e9;
  return {tensor * clock * std::max(1, device.multiprocessors)};
}

Seconds expected_time(const cuda::DeviceProperties& device, const GpuPoint& point) {
  constexpr Seconds kSetUp{20e-3}, kShort{20e-3};
  constexpr double kCalls = 9, kOfPeak = 0.25;
  const auto* kernel = std::get_if<GpuKernelPoint>(&point.what);
  if (kernel == nullptr) {
    return kSetUp + 10 * kShort;
  }
  const GpuDemand needs = demand(device, *kernel);
  return kSetUp + 2 * needs.data / nominal_bandwidth(device) + std::max(kShort, needs.call * (kCalls / kOfPeak));
}

}  // namespace moesaic
