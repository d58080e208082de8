#include "calibrate/task_kernel.hpp"

#include <algorithm>
#include <cmath>

namespace moesaic {
namespace {

constexpr std::uint8_t kBf16 = 0, kFp8 = 1, kFp8Block = 2, kNvfp4 = 3, kMxfp4 = 4, kInt8 = 5, kMxfp4Mxfp8 = 6,
                       kInt8Weights = 7, kInt4Weights = 8, kFp32 = 10;

/// What engines call the combination of stored weights and arithmetic.
std::uint8_t product_format(const StorageType& weights, DType arithmetic) {
  switch (weights.dtype) {
    case DType::fp8:
      return weights.bits > 8 ? kFp8Block : kFp8;
    case DType::int8:
      return arithmetic == DType::int8 ? kInt8 : kInt8Weights;
    case DType::int4:
      return kInt4Weights;
    case DType::fp4:
      return weights.bits > 4.4 ? kNvfp4 : arithmetic == DType::fp8 ? kMxfp4Mxfp8 : kMxfp4;
    case DType::fp32:
    case DType::tf32:
      return kFp32;
    default:
      return kBf16;
  }
}

std::uint8_t cache_format(const StorageType& kv) { return kv.bits <= 9 ? 2 : 1; }

/// Written field by field: costs are asked for by the million, and a copy of what was just written waits for its parts.
template <class... Values>
bool set(TaskKernel& kernel, Family family, std::uint8_t format, std::uint8_t cache, std::uint8_t operation,
         Values... shape) {
  kernel.family = family;
  kernel.format = format;
  kernel.cache = cache;
  kernel.kernel = operation;
  std::size_t column = 0;
  ((kernel.shape[column++] = static_cast<double>(shape)), ...);
  return true;
}

bool fill(TaskKernel& kernel, const Gemm& gemm) {
  const std::uint8_t format = product_format(gemm.weights, gemm.arithmetic);
  constexpr double kLatent = 512, kHead = 128;  // what the absorbing products were measured with
  if (gemm.count > 1 && ((gemm.n == kLatent && gemm.k == kHead) || (gemm.n == kHead && gemm.k == kLatent))) {
    return set(kernel, Family::mla_bmm, format, 0, gemm.n == kLatent ? 0 : 1, gemm.count, gemm.m);
  }
  return set(kernel, Family::gemm, format, 0, 0, gemm.n * gemm.count, gemm.k, gemm.m);
}

/// Nobody has measured backward kernels here: the forward kernel's time by their products, at FlashAttention-2's best
/// fractions of peak, 73% forward and 63% backward (2307.08691 section 4.1).
double backward_times(const SoftmaxScores& scores) {
  constexpr double kForward = 0.73, kBackward = 0.63;
  return (3 * scores.qk_dim + 2 * scores.v_dim) / (scores.qk_dim + scores.v_dim) * (kForward / kBackward);
}

bool fill(TaskKernel& kernel, const SoftmaxScores& scores) {
  const std::uint8_t cache = cache_format(scores.kv);
  kernel.times = scores.backward ? backward_times(scores) : 1;
  constexpr double kLatentRow = 576, kUnabsorbedRow = 192;
  if (scores.shared_kv && scores.qk_dim == kLatentRow) {
    return set(kernel, Family::mla_decode, kBf16, cache, 0, scores.heads, scores.sequences, scores.read_tokens);
  }
  if (scores.new_tokens == 1) {
    // A window is the same as a context of that length; an aligned chunk likewise.
    const double context = scores.chunked ? scores.read_tokens : scores.context + 1;
    return set(kernel, Family::attention_decode, kBf16, cache, 0, scores.heads, scores.kv_heads, scores.qk_dim,
               scores.sequences, context, scores.chunked ? 0 : scores.window);
  }
  if (scores.heads == scores.kv_heads && scores.qk_dim == kUnabsorbedRow && scores.v_dim == 128 && scores.window <= 0) {
    return set(kernel, Family::mla_prefill, kBf16, cache, 0, scores.heads, scores.sequences, scores.new_tokens,
               scores.context);
  }
  return set(kernel, Family::attention_prefill, kBf16, cache, 0, scores.heads, scores.kv_heads, scores.qk_dim,
             scores.sequences, scores.new_tokens, scores.context, scores.window);
}

/// Rows of the most loaded expert: the largest of as many Poisson counts as the rank has experts, by its tail,
/// m + sqrt(2 m ln n) + ln n / 3 (Bernstein's inequality). Routing that favours experts beyond its busiest rank's rows
/// shows in `rows` alone.
double largest_load(const GroupedGemm& g) {
  const double mean = g.rows / g.experts, tail = std::log(std::max(1.0, g.experts));
  return std::clamp(mean + std::sqrt(2 * mean * tail) + tail / 3, g.rows / g.distinct, std::min(g.rows, g.tokens));
}

bool fill(TaskKernel& kernel, const GroupedGemm& g, bool received) {
  if (g.rows <= 0 || g.matrices < 2) {
    return false;
  }
  kernel.load.emplace(ExpertLoad{g.rows, g.distinct, largest_load(g)});
  if (received && (g.arrived_by == ExchangeKind::normal || g.arrived_by == ExchangeKind::low_latency)) {
    const double experts = g.experts * g.ranks;
    return set(kernel, Family::wide_ep_moe, product_format(g.weights, g.arithmetic), 0,
               g.arrived_by == ExchangeKind::normal ? 0 : 1, g.hidden, g.width, g.top_k, experts, experts, g.ranks, 0,
               0, g.tokens);
  }
  return set(kernel, Family::moe, product_format(g.weights, g.arithmetic), 0, 0, g.hidden, g.width, g.top_k,
             g.experts * g.ranks, g.matrices, 1, g.ranks, 0, g.tokens);
}

bool fill(TaskKernel& kernel, const Elementwise& e, OperatorKind kind) {
  const double elements = std::max(e.elements_read, e.elements_written);
  const bool measured = kind == OperatorKind::norm || kind == OperatorKind::rotary || kind == OperatorKind::activation;
  if (elements <= 0 || !measured) {
    return false;
  }
  // Only the product of width and tokens is known here; kernels of one operation depend on little else.
  constexpr double kWidth = 4096;
  return set(kernel, Family::elementwise, kBf16, 0,
             kind == OperatorKind::norm     ? 0
             : kind == OperatorKind::rotary ? 1
                                            : 2,
             kWidth, elements / kWidth);
}

/// Over several nodes NCCL was measured on few machines, whose networks are not this one: closed forms know more.
bool fill(TaskKernel& kernel, const Collective& collective, const MachineView& view) {
  if (nodes_of(view, collective.ranks, collective.stride) > 1 || collective.kind > CollectiveKind::all_to_all) {
    return false;
  }
  return set(kernel, Family::collective, kBf16, 0, static_cast<std::uint8_t>(collective.kind), collective.bytes.value,
             collective.ranks, collective.ranks);
}

/// DeepEP's kernels, the normal ones with as many multiprocessors as its tables have (24 of V1, README.md).
bool fill(TaskKernel& kernel, const ExpertExchange& e) {
  if (e.kind == ExchangeKind::all_to_all) {
    return false;
  }
  constexpr double kMultiprocessors = 24;
  const auto operation = static_cast<std::uint8_t>((e.nodes > 1 ? 4 : 0) +
                                                   (e.kind == ExchangeKind::low_latency ? 2 : 0) + (e.combine ? 1 : 0));
  return set(kernel, Family::expert_exchange, e.combine ? kBf16 : kFp8, 0, operation, e.hidden, e.top_k, e.experts,
             e.ranks, e.nodes, e.kind == ExchangeKind::low_latency ? 0 : kMultiprocessors, e.tokens);
}

}  // namespace

KernelPoint kernel_point(const KernelSetting& setting, const TaskKernel& kernel) {
  return kernel.load ? routed_point(setting, kernel.shape, *kernel.load) : kernel_point(setting, kernel.shape);
}

std::span<const std::string_view> kernel_operations(Family family) {
  static constexpr std::string_view kNone[] = {""};
  static constexpr std::string_view kAbsorbing[] = {"pre", "post"};
  static constexpr std::string_view kCollectives[] = {"all_reduce", "all_gather", "reduce_scatter", "all_to_all"};
  static constexpr std::string_view kExchanges[] = {
      "normal_dispatch", "normal_combine", "low_latency_dispatch", "low_latency_combine",
      // The same over several nodes, of stacks that were measured there.
      "normal_dispatch", "normal_combine", "low_latency_dispatch", "low_latency_combine"};
  static constexpr std::string_view kReceived[] = {"deepepmoe/context", "deepepmoe/generation"};
  static constexpr std::string_view kElementwise[] = {"norm", "rotary", "activation"};
  switch (family) {
    case Family::mla_bmm:
      return kAbsorbing;
    case Family::collective:
      return kCollectives;
    case Family::expert_exchange:
      return kExchanges;
    case Family::wide_ep_moe:
      return kReceived;
    case Family::elementwise:
      return kElementwise;
    default:
      return kNone;
  }
}

std::optional<TaskKernel> task_kernel(const Task& task, const MachineView& view, bool received) {
  std::optional<TaskKernel> result;  // returned on every path: built where the caller wants it
  if (view.units[task.unit].on_host || task.unit != 0) {
    return result;  // measured kernels are those of a device's main unit
  }
  result.emplace();
  struct Visitor {
    const Task& task;
    const MachineView& view;
    TaskKernel& kernel;
    bool received;
    bool operator()(const Gemm& gemm) const { return fill(kernel, gemm); }
    bool operator()(const GroupedGemm& grouped) const { return fill(kernel, grouped, received); }
    bool operator()(const SoftmaxScores& scores) const { return fill(kernel, scores); }
    bool operator()(const Elementwise& e) const { return fill(kernel, e, task.op.kind); }
    bool operator()(const Collective& collective) const { return fill(kernel, collective, view); }
    bool operator()(const ExpertExchange& exchange) const { return fill(kernel, exchange); }
    bool operator()(const StateUpdate&) const { return false; }
    bool operator()(const Transfer&) const { return false; }
  };
  if (!std::visit(Visitor{task, view, *result, received}, task.op.shape)) {
    result.reset();
  }
  return result;
}

}  // namespace moesaic
