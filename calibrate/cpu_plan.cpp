#include "calibrate/cpu_plan.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/quantity_text.hpp"
#include "calibrate/measured_facts.hpp"

namespace moesaic {
namespace {

/// Without scales.
double weight_bytes(DType dtype) {
  return dtype == DType::fp32 ? 4 : dtype == DType::bf16 ? 2 : dtype == DType::int8 ? 1 : 0.5;
}

/// Copies of some data that are together twice the caches, but no more than an eighth of the memory.
int copies_for(const cpu::Processor& processor, Bytes one) {
  const double wanted = std::ceil(2 * processor.last_cache() / one);
  const double most = processor.memory.value > 0 ? processor.memory / 8 / one : wanted;
  return static_cast<int>(std::clamp(std::min(wanted, most), 1.0, 256.0));
}

bool fits(const cpu::Processor& processor, Bytes data) {
  return processor.memory.value <= 0 || data < processor.memory * 0.25;
}

Bytes memory_footprint(const cpu::Processor& processor) {
  const Bytes wanted = std::max(4 * processor.last_cache(), Bytes{64 * kMiB});
  return fits(processor, wanted) ? wanted : processor.memory * 0.25;
}

/// 1, 2, 4, ... and all.
std::vector<int> thread_counts(int most) {
  std::vector<int> counts;
  for (int count = 1; count < most; count *= 2) {
    counts.push_back(count);
  }
  counts.push_back(most);
  return counts;
}

void add_streams(std::vector<CpuPoint>& plan, const cpu::Processor& processor, const CpuPlanOptions& options) {
  const double cores = processor.cores;
  const Bytes l2 = processor.cache(2), l3 = processor.cache(3);
  for (const int threads : options.quick ? std::vector<int>{options.threads} : thread_counts(options.threads)) {
    for (const cpu::Stream stream : {cpu::Stream::read, cpu::Stream::copy, cpu::Stream::triad}) {
      if (l2.value > 0) {  // half of the caches of as many cores
        plan.push_back({StreamPoint{stream, "L2", l2 * (0.5 * std::min(1.0, threads / cores)), threads}});
      }
      if (l3.value > 2 * l2.value) {
        plan.push_back({StreamPoint{stream, "L3", l3 * 0.5, threads}});
      }
      plan.push_back({StreamPoint{stream, "memory", memory_footprint(processor), threads}});
    }
  }
}

void add_layer(std::vector<CpuPoint>& plan, const cpu::Processor& processor, std::size_t library, DType dtype, int n,
               int k, const std::vector<int>& rows, bool essential = false, int most_copies = 256) {
  const Bytes weights{weight_bytes(dtype) * n * k};
  if (!fits(processor, 2 * weights)) {
    return;
  }
  const int most = *std::max_element(rows.begin(), rows.end());
  const int copies = std::min(copies_for(processor, weights), most_copies);
  for (const int m : rows) {
    plan.push_back({GemmPoint{library, dtype, {n, k, most, copies}, m}, essential});
  }
}

/// Which library is measured in which format. Our own loop in 32-bit floating point would only show what a library is
/// for; in narrower formats it is what reads weights of this size without their instructions.
std::vector<std::pair<std::size_t, DType>> products(const std::vector<cpu::GemmLibrary>& libraries) {
  std::vector<std::pair<std::size_t, DType>> all;
  for (std::size_t i = 0; i < libraries.size(); ++i) {
    for (const DType dtype : libraries[i].formats) {
      const bool last_resort = i + 1 == libraries.size() && libraries.size() > 1;
      if (!last_resort || dtype != DType::fp32) {
        all.emplace_back(i, dtype);
      }
    }
  }
  return all;
}

void add_decode(std::vector<CpuPoint>& plan, const cpu::Processor& processor, const cpu::DecodeShape& shape,
                DType storage) {
  constexpr Bytes kMost{300e6};  // filling more takes longer than reading it
  const double elements = 2.0 * shape.sequences * shape.context * shape.kv_heads * shape.head_dim;
  const Bytes cache{elements * weight_bytes(storage)};
  if (cache < kMost && fits(processor, cache)) {
    plan.push_back({DecodePoint{shape, storage, copies_for(processor, cache)}});
  }
}

void add_experts(std::vector<CpuPoint>& plan, const cpu::Processor& processor, cpu::ExpertShape shape, DType storage,
                 const std::vector<int>& tokens) {
  const Bytes weights{weight_bytes(storage) * 3 * shape.hidden * shape.inter * shape.experts};
  shape.most_tokens = *std::max_element(tokens.begin(), tokens.end());
  if (fits(processor, weights)) {
    for (const int count : tokens) {
      plan.push_back({ExpertPoint{shape, storage, count}});
    }
  }
}

/// Mixtral's heads, and a matrix of one of its experts a piece.
void add_contention(std::vector<CpuPoint>& plan, const cpu::Processor& processor, const CpuPlanOptions& options) {
  const int sequences = options.quick ? 1 : 16, context = options.quick ? 512 : 2048;
  const cpu::DecodeShape shape{sequences, context, 32, 8, 128};
  const Bytes cache{2.0 * sequences * context * shape.kv_heads * shape.head_dim * 2};
  const Bytes weights = options.quick ? Bytes{8 * kMiB} : memory_footprint(processor);
  const Bytes piece = options.quick ? Bytes{kMiB} : Bytes{112 * kMiB};
  if (options.threads > 1 && fits(processor, cache * copies_for(processor, cache) + weights)) {
    const int copies = options.quick ? 1 : copies_for(processor, cache);
    plan.push_back({ContentionPoint{shape, DType::bf16, copies, options.threads - 1, weights, piece}});
  }
}

void add_quick_kernels(std::vector<CpuPoint>& plan, const cpu::Processor& processor,
                       const std::vector<cpu::GemmLibrary>& libraries) {
  for (const auto& [library, dtype] : products(libraries)) {
    add_layer(plan, processor, library, dtype, 512, 512, {1, 8}, false, 1);
  }
  for (const DType storage : {DType::bf16, DType::fp32}) {
    add_decode(plan, processor, {.sequences = 2, .context = 256, .q_heads = 8, .kv_heads = 2}, storage);
    add_experts(plan, processor, {.hidden = 256, .inter = 128, .experts = 8, .top_k = 2}, storage, {1, 8});
  }
  add_experts(plan, processor, {.hidden = 256, .inter = 128, .experts = 8, .top_k = 2}, DType::int4, {1, 8});
}

// The layers come last: if time runs out, what is lost is another layer of a kind that has been measured.
void add_kernels(std::vector<CpuPoint>& plan, const cpu::Processor& processor,
                 const std::vector<cpu::GemmLibrary>& libraries) {
  for (const DType storage : {DType::bf16, DType::fp32}) {
    for (const int sequences : {1, 4, 16}) {
      for (const int context : {512, 2048, 8192}) {
        add_decode(plan, processor, {sequences, context, 32, 8, 128}, storage);
      }
    }
    add_decode(plan, processor, {4, 1024, 32, 32, 128}, storage);
    add_decode(plan, processor, {4, 4096, 16, 2, 64}, storage);
    add_experts(plan, processor, {2048, 1024, storage == DType::bf16 ? 16 : 8, 2, 1}, storage, {1, 4, 16, 64, 256});
    add_experts(plan, processor, {1024, 512, 32, 4, 1}, storage, {1, 4, 16, 64, 256});
  }
  for (const DType storage : {DType::int8, DType::int4}) {  // more experts, so that they come from memory too
    add_experts(plan, processor, {2048, 1024, 48, 2, 1}, storage, {1, 4, 16, 64});
    add_experts(plan, processor, {1024, 512, 64, 4, 1}, storage, {1, 4, 16, 64});
  }
  struct Layer {
    int n, k;
    std::vector<int> rows;
  };
  const Layer kLayers[] = {{2048, 2048, {1, 2, 4, 8, 16, 32, 64, 128, 256, 512}},
                           {4096, 4096, {1, 4, 16, 64, 512}},
                           {2048, 8192, {1, 4, 16, 64, 512}}};
  for (const Layer& layer : kLayers) {
    for (const auto& [library, dtype] : products(libraries)) {
      add_layer(plan, processor, library, dtype, layer.n, layer.k, layer.rows);
    }
  }
}

struct CpuPointText {
  const std::vector<cpu::GemmLibrary>& libraries;

  std::string operator()(const DispatchPoint& point) const {
    return fmt::format("dispatch, {} threads", point.threads);
  }
  std::string operator()(const StreamPoint& point) const {
    return fmt::format("{} {} of {}, {} threads", point.level, cpu::name(point.stream), to_text(point.footprint),
                       point.threads);
  }
  std::string operator()(const GemmPoint& point) const {
    return fmt::format("gemm {} {} n={} k={} m={}", libraries[point.library].name, name(point.dtype), point.problem.n,
                       point.problem.k, point.m);
  }
  std::string operator()(const DecodePoint& point) const {
    const cpu::DecodeShape& shape = point.shape;
    return fmt::format("decode attention {} {} x {} tokens, {}/{} heads", name(point.storage), shape.sequences,
                       shape.context, shape.q_heads, shape.kv_heads);
  }
  std::string operator()(const ContentionPoint& point) const {
    return fmt::format("decode attention by {} threads beside a copy of weights", point.attention_threads);
  }
  std::string operator()(const ExpertPoint& point) const {
    return fmt::format("experts {} {}x{}x{} top-{} tokens={}", name(point.storage), point.shape.experts,
                       point.shape.hidden, point.shape.inter, point.shape.top_k, point.tokens);
  }
};

}  // namespace

std::vector<CpuPoint> cpu_plan(const cpu::Processor& processor, const std::vector<cpu::GemmLibrary>& libraries,
                               const CpuPlanOptions& options) {
  std::vector<CpuPoint> plan;
  plan.push_back({DispatchPoint{options.threads}, true});
  plan.push_back({StreamPoint{cpu::Stream::read, "memory", memory_footprint(processor), options.threads}, true});
  const int size = options.quick ? 512 : 2048, rows = options.quick ? 32 : 256;
  for (const auto& [library, dtype] : products(libraries)) {
    add_layer(plan, processor, library, dtype, size, size, {rows}, true, 1);
  }
  add_streams(plan, processor, options);
  add_contention(plan, processor, options);
  options.quick ? add_quick_kernels(plan, processor, libraries) : add_kernels(plan, processor, libraries);
  return plan;
}

std::string describe(const CpuPoint& point, const std::vector<cpu::GemmLibrary>& libraries) {
  return std::visit(CpuPointText{libraries}, point.what);
}

}  // namespace moesaic
