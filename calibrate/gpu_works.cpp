#include "calibrate/gpu_works.hpp"

#include <algorithm>
#include <cmath>

#include "base/error.hpp"

namespace moesaic {
namespace {

constexpr double kBf16Bytes = 2, kFloatBytes = 4;
constexpr std::uint64_t kSeed = 20251127;

int whole(double value) { return static_cast<int>(std::llround(value)); }

double value_bytes(DType dtype) {
  return dtype == DType::fp32 ? 4 : dtype == DType::fp8 || dtype == DType::int8 ? 1 : 2;
}

/// How many calls must take turns until twice the L2 cache has been read, or an eighth of the memory.
int turns_for(const cuda::DeviceProperties& device, Bytes one_call) {
  constexpr double kMost = 256;
  const double wanted = std::ceil(2 * device.l2 / one_call);
  return static_cast<int>(std::clamp(std::min(wanted, device.memory / 8 / one_call), 1.0, kMost));
}

/// So many buffers of the same size, one behind the other and each where loads of any width may begin.
class Copies {
 public:
  Copies(Workspace& data, Bytes one, int count)
      : stride_(static_cast<std::size_t>(std::ceil(one.value / 256)) * 256),
        begin_(data.input({static_cast<double>(stride_) * count})) {}
  char* operator[](int i) const { return begin_ + stride_ * static_cast<std::size_t>(i); }

 private:
  std::size_t stride_;
  char* begin_;
};

/// Writes the chains of one point. `data` owns the buffers.
class Builder {
 public:
  Builder(const GpuBench& bench, const GpuKernelPoint& point)
      : bench_(bench), point_(point), works_{Workspace(bench.runtime, bench.stream, bench.random), {}} {}

  PreparedWorks run() {
    switch (point_.family) {
      case Family::gemm:
        point_.kernel == "own-skinny" ? skinny() : product(whole(at(2)), whole(at(0)), whole(at(1)), 1);
        break;
      case Family::mla_bmm: {
        constexpr int kHead = 128, kLatent = 512;
        const bool pre = point_.kernel == "pre";
        product(whole(at(1)), pre ? kLatent : kHead, pre ? kHead : kLatent, whole(at(0)));
        break;
      }
      case Family::attention_decode:
        decode();
        break;
      case Family::mla_decode:
        latent_decode();
        break;
      case Family::attention_prefill:
        prefill();
        break;
      case Family::moe:
        experts();
        break;
      case Family::quantize:
        quantize();
        break;
      case Family::elementwise:
        elementwise();
        break;
      default:
        MOESAIC_ASSERT(false && "no kernel of this family runs on one device");
    }
    return std::move(works_);
  }

 private:
  double at(std::size_t column) const { return point_.shape[column]; }
  Workspace& data() { return works_.data; }
  int turns(Bytes one_call) const { return turns_for(bench_.device, one_call); }
  void add(cuda::Chain chain) { works_.chains.push_back(std::move(chain)); }

  void product(int m, int n, int k, int batch) {
    const DType dtype = parse_dtype(point_.dtype);
    const double element = value_bytes(dtype), rows = double(m) * batch;
    const Bytes weights{element * n * k * batch};
    const int count = turns(weights);
    const Copies w(data(), weights, count);
    cuda::Chain before;
    const char* x = nullptr;
    if (dtype == DType::fp8) {  // a linear layer gets its input in bf16
      char* quantized = data().output({rows * k});
      auto* scales = reinterpret_cast<float*>(data().output({kFloatBytes * rows * k / 128}));
      before.emplace_back(cuda::QuantizeWork{.rows = m * batch,
                                             .width = k,
                                             .x = data().input({kBf16Bytes * rows * k}),
                                             .out = quantized,
                                             .scales = scales});
      x = quantized;
    } else {
      x = data().input({element * rows * k});
    }
    char* y = data().output({kFloatBytes * rows * n});
    for (int i = 0; i < count; ++i) {
      cuda::Chain chain = before;
      chain.emplace_back(
          cuda::GemmWork{.dtype = dtype,
                         .m = m,
                         .n = n,
                         .k = k,
                         .batch = batch,
                         .x = x,
                         .w = w[i],
                         .y = y,
                         .workspace = bench_.gemm_workspace,
                         .workspace_bytes = static_cast<std::uint64_t>(bench_.gemm_workspace_bytes.value)});
      add(std::move(chain));
    }
  }

  void skinny() {
    const DType dtype = parse_dtype(point_.dtype);
    const int n = whole(at(0)), k = whole(at(1)), m = whole(at(2));
    const Bytes weights{value_bytes(dtype) * n * k};
    const int count = turns(weights);
    const Copies w(data(), weights, count);
    const char* x = data().input({kBf16Bytes * m * k});
    char* y = data().output({kBf16Bytes * m * n});
    for (int i = 0; i < count; ++i) {
      add({cuda::GemvWork{.dtype = dtype, .m = m, .n = n, .k = k, .x = x, .w = w[i], .y = y}});
    }
  }

  /// Parts of each sequence, so that there are `each` blocks for every multiprocessor where the context allows it.
  int splits(double blocks, double tokens, int each) const {
    constexpr double kShortestPart = 256;
    const double wanted = std::ceil(each * bench_.device.multiprocessors / std::max(1.0, blocks));
    return static_cast<int>(std::clamp(wanted, 1.0, std::max(1.0, std::floor(tokens / kShortestPart))));
  }

  /// A cache whose pages lie in a random order. It holds the last `pages` of each sequence; for others stands page 0.
  const std::int32_t* page_table(int sequences, int pages_per_sequence, int pages) {
    RandomNumbers random(kSeed);
    const std::vector<std::int32_t> order = random_order(sequences * pages, random);
    std::vector<std::int32_t> table;
    table.reserve(static_cast<std::size_t>(sequences) * static_cast<std::size_t>(pages_per_sequence));
    for (auto own = order.begin(); own != order.end(); own += pages) {
      table.resize(table.size() + static_cast<std::size_t>(pages_per_sequence - pages), 0);
      table.insert(table.end(), own, own + pages);
    }
    return data().upload(table);
  }
  const std::int32_t* contexts(int sequences, int context) {
    return data().upload(std::vector<std::int32_t>(static_cast<std::size_t>(sequences), context));
  }

  void decode() {
    cuda::DecodeAttentionWork work{.kv_dtype = parse_dtype(point_.kv_dtype),
                                   .sequences = whole(at(3)),
                                   .q_heads = whole(at(0)),
                                   .kv_heads = whole(at(1)),
                                   .head_dim = whole(at(2)),
                                   .window = whole(at(5))};
    const int context = whole(at(4));
    work.pages_per_sequence = (context + work.page_tokens - 1) / work.page_tokens;
    const int read = work.window > 0 ? std::min(work.window, context) : context;
    constexpr double kHeadsOfBlock = 16;
    constexpr int kBlocksEach = 2;
    const double group = std::ceil(double(work.q_heads) / work.kv_heads / kHeadsOfBlock);
    work.splits = splits(work.sequences * work.kv_heads * group, read, kBlocksEach);
    work.scale = static_cast<float>(1 / std::sqrt(work.head_dim));
    const double row = value_bytes(work.kv_dtype) * work.kv_heads * work.head_dim;
    // Pages that a window has left behind are in no cache: copies of them would not fit, and nobody reads them.
    const int pages = work.pages_per_sequence - (context - read) / work.page_tokens;
    const Bytes cache{row * work.sequences * pages * work.page_tokens};
    const int count = turns({2 * row * work.sequences * read});
    const double values = double(work.sequences) * work.q_heads;
    const Copies k(data(), cache, count), v(data(), cache, count);
    work.page_table = page_table(work.sequences, work.pages_per_sequence, pages);
    work.contexts = contexts(work.sequences, context);
    work.q = data().input({kBf16Bytes * values * work.head_dim});
    work.partial = reinterpret_cast<float*>(data().output({kFloatBytes * values * work.splits * (work.head_dim + 2)}));
    work.out = data().output({kBf16Bytes * values * work.head_dim});
    for (int i = 0; i < count; ++i) {
      work.k = k[i];
      work.v = v[i];
      add({work});
    }
  }

  void latent_decode() {
    cuda::MlaDecodeWork work{.sequences = whole(at(1)), .heads = whole(at(0))};
    const int context = whole(at(2)), row = work.latent + work.rope;
    work.pages_per_sequence = (context + work.page_tokens - 1) / work.page_tokens;
    constexpr double kHeadsOfBlock = 64;
    constexpr int kBlocksEach = 1;  // what its shared memory allows
    work.splits = splits(work.sequences * std::ceil(work.heads / kHeadsOfBlock), context, kBlocksEach);
    work.scale = static_cast<float>(1 / std::sqrt(row));
    const Bytes cache{kBf16Bytes * row * work.sequences * work.pages_per_sequence * work.page_tokens};
    const int count = turns(cache);
    const double values = double(work.sequences) * work.heads;
    const Copies rows(data(), cache, count);
    work.page_table = page_table(work.sequences, work.pages_per_sequence, work.pages_per_sequence);
    work.contexts = contexts(work.sequences, context);
    work.q = data().input({kBf16Bytes * values * row});
    work.partial = reinterpret_cast<float*>(data().output({kFloatBytes * values * work.splits * (work.latent + 2)}));
    work.out = data().output({kBf16Bytes * values * work.latent});
    for (int i = 0; i < count; ++i) {
      work.cache = rows[i];
      add({work});
    }
  }

  void prefill() {
    cuda::PrefillAttentionWork work{.sequences = whole(at(3)),
                                    .tokens = whole(at(4)),
                                    .q_heads = whole(at(0)),
                                    .kv_heads = whole(at(1)),
                                    .head_dim = whole(at(2)),
                                    .window = whole(at(6))};
    work.scale = static_cast<float>(1 / std::sqrt(work.head_dim));
    const double tokens = double(work.sequences) * work.tokens;
    const Bytes queries{kBf16Bytes * tokens * work.q_heads * work.head_dim};
    const Bytes keys{kBf16Bytes * tokens * work.kv_heads * work.head_dim};
    const int count = turns(queries + 2 * keys);
    const Copies q(data(), queries, count), k(data(), keys, count), v(data(), keys, count);
    work.out = data().output(queries);
    for (int i = 0; i < count; ++i) {
      work.q = q[i];
      work.k = k[i];
      work.v = v[i];
      add({work});
    }
  }

  std::vector<std::int32_t> choices(int tokens, int experts, int top_k, int turn) const {
    RandomNumbers random(kSeed + static_cast<std::uint64_t>(turn));
    const double skew = at(7);
    if (const auto slash = point_.kernel.find('/'); slash != std::string::npos) {
      const Routing routing = Routing::parse(point_.kernel.substr(slash + 1), experts, top_k);
      return drawn_choices(tokens, top_k, routing.popularity(), random);
    }
    if (skew > 0) {
      return drawn_choices(tokens, top_k, skewed_popularity(tokens, experts, top_k, skew, random), random);
    }
    const auto first = static_cast<int>(std::int64_t{turn} * tokens * top_k % experts);
    return even_choices(tokens, experts, top_k, first);
  }

  void experts() {
    const int hidden = whole(at(0)), top_k = whole(at(2)), count = whole(at(3)), tokens = whole(at(8));
    const int inter = whole(at(1) / at(5)), rows = tokens * top_k;
    const double matrix = double(hidden) * inter;
    const Bytes first{2 * kBf16Bytes * matrix * count}, second{kBf16Bytes * matrix * count};
    const int copies = turns(first + second);
    // Few tokens read few experts: other tokens, other experts.
    const int others = turns((first + second) * (std::min(double(rows), double(count)) / count));
    const Copies gate_up(data(), first, copies), down(data(), second, copies);
    const char* x = data().input({kBf16Bytes * tokens * hidden});
    const std::vector<float> even(static_cast<std::size_t>(rows), 1.0F / static_cast<float>(top_k));
    const float* weights = data().upload(even);
    auto* offsets = reinterpret_cast<std::int32_t*>(data().output({kFloatBytes * (count + 1)}));
    auto* row_of_choice = reinterpret_cast<std::int32_t*>(data().output({kFloatBytes * rows}));
    char* sorted = data().output({kBf16Bytes * rows * hidden});
    char* inner = data().output({kBf16Bytes * rows * inter});
    char* outer = data().output({kBf16Bytes * rows * hidden});
    char* out = data().output({kBf16Bytes * tokens * hidden});
    constexpr int kMostRoutings = 16;
    for (int i = 0; i < std::max(copies, std::min(others, kMostRoutings)); ++i) {
      const std::int32_t* ids = data().upload(choices(tokens, count, top_k, i));
      add({cuda::PermuteWork{.tokens = tokens,
                             .experts = count,
                             .top_k = top_k,
                             .hidden = hidden,
                             .ids = ids,
                             .x = x,
                             .offsets = offsets,
                             .row_of_choice = row_of_choice,
                             .rows = sorted},
           cuda::GroupedGemmWork{.rows = rows,
                                 .n = inter,
                                 .k = hidden,
                                 .experts = count,
                                 .gated = true,
                                 .offsets = offsets,
                                 .x = sorted,
                                 .w = gate_up[i % copies],
                                 .y = inner},
           cuda::GroupedGemmWork{.rows = rows,
                                 .n = hidden,
                                 .k = inter,
                                 .experts = count,
                                 .offsets = offsets,
                                 .x = inner,
                                 .w = down[i % copies],
                                 .y = outer},
           cuda::UnpermuteWork{.tokens = tokens,
                               .top_k = top_k,
                               .hidden = hidden,
                               .row_of_choice = row_of_choice,
                               .weights = weights,
                               .rows = outer,
                               .out = out}});
    }
  }

  void quantize() {
    const int width = whole(at(0)), rows = whole(at(1));
    const double values = double(rows) * width;
    const int count = turns({3 * values});
    const Copies x(data(), {kBf16Bytes * values}, count), out(data(), {values}, count);
    auto* scales = reinterpret_cast<float*>(data().output({kFloatBytes * values / 128}));
    for (int i = 0; i < count; ++i) {
      add({cuda::QuantizeWork{.rows = rows, .width = width, .x = x[i], .out = out[i], .scales = scales}});
    }
  }

  void elementwise() {
    const int width = whole(at(0)), tokens = whole(at(1));
    const double values = double(tokens) * width;
    if (point_.kernel == "routing") {
      constexpr int kTopK = 8;
      const int top_k = std::min(kTopK, width);
      const Bytes one{kFloatBytes * values};
      const int count = turns(one);
      const Copies logits(data(), one, count);
      auto* ids = reinterpret_cast<std::int32_t*>(data().output({kFloatBytes * tokens * top_k}));
      auto* weights = reinterpret_cast<float*>(data().output({kFloatBytes * tokens * top_k}));
      for (int i = 0; i < count; ++i) {
        add({cuda::RouteWork{.tokens = tokens,
                             .experts = width,
                             .top_k = top_k,
                             .logits = reinterpret_cast<const float*>(logits[i]),
                             .ids = ids,
                             .weights = weights}});
      }
      return;
    }
    const bool gated = point_.kernel == "activation", rotates = point_.kernel == "rotary";
    const Bytes one{kBf16Bytes * values * (gated ? 2 : 1)};
    const int count = turns(rotates ? one : one + Bytes{kBf16Bytes * values});
    const Copies x(data(), one, count);
    if (rotates) {
      constexpr int kHead = 128;
      const std::int32_t* positions = contexts(tokens, 1000);
      for (int i = 0; i < count; ++i) {
        add({cuda::RotaryWork{
            .tokens = tokens, .heads = width / kHead, .head_dim = kHead, .positions = positions, .x = x[i]}});
      }
      return;
    }
    const Copies out(data(), {kBf16Bytes * values}, count);
    const char* weight = data().input({kBf16Bytes * width});
    for (int i = 0; i < count; ++i) {
      if (gated) {
        add({cuda::SiluMulWork{.rows = tokens, .width = width, .x = x[i], .out = out[i]}});
      } else {
        add({cuda::RmsNormWork{.rows = tokens, .width = width, .x = x[i], .weight = weight, .out = out[i]}});
      }
    }
  }

  const GpuBench& bench_;
  const GpuKernelPoint& point_;
  PreparedWorks works_;
};

PreparedWorks empty(const GpuBench& bench) { return {Workspace(bench.runtime, bench.stream, bench.random), {}}; }

}  // namespace

PreparedWorks prepare(const GpuBench& bench, const GpuKernelPoint& point) { return Builder(bench, point).run(); }

PreparedWorks prepare(const GpuBench& bench, const GpuStatePoint& point) {
  PreparedWorks works = empty(bench);
  cuda::LinearAttentionWork work{.sequences = point.sequences,
                                 .heads = static_cast<int>(point.shape.heads),
                                 .head_dim = static_cast<int>(point.shape.head_dim)};
  const double heads = double(work.sequences) * work.heads, dim = work.head_dim;
  const Bytes state{kFloatBytes * heads * dim * dim};
  const int count = turns_for(bench.device, 2 * state);
  work.decay = works.data.upload(std::vector<float>(static_cast<std::size_t>(work.heads), 0.9F));
  work.q = works.data.input({kBf16Bytes * heads * dim});
  work.k = works.data.input({kBf16Bytes * heads * dim});
  work.v = works.data.input({kBf16Bytes * heads * dim});
  work.out = works.data.output({kBf16Bytes * heads * dim});
  for (int i = 0; i < count; ++i) {
    work.state = reinterpret_cast<float*>(works.data.zeros(state));
    works.chains.push_back({work});
  }
  return works;
}

PreparedWorks prepare(const GpuBench& bench, const GpuStreamPoint& point) {
  constexpr int kBlocksEach = 4;  // what fills a multiprocessor: see StreamWork
  PreparedWorks works = empty(bench);
  const int arrays = point.stream == cuda::Stream::triad ? 3 : point.stream == cuda::Stream::copy ? 2 : 1;
  const Bytes one{std::floor(point.footprint.value / arrays / 16) * 16};
  cuda::StreamWork work{.stream = point.stream,
                        .bytes = static_cast<std::uint64_t>(one.value),
                        .blocks = kBlocksEach * std::max(1, bench.device.multiprocessors)};
  work.a = works.data.input(one);
  work.b = arrays > 1 ? works.data.input(one) : nullptr;
  work.c = arrays > 2 ? works.data.input(one) : nullptr;
  work.sink = works.data.output({16});
  works.chains.push_back({work});
  return works;
}

PreparedWorks prepare(const GpuBench& bench, const GpuIssuePoint& point) {
  // As many blocks as keep a multiprocessor busy, and enough rounds for some hundred microseconds.
  const int blocks = (point.tensor ? 2 : 8) * std::max(1, bench.device.multiprocessors);
  PreparedWorks works = empty(bench);
  auto* out = reinterpret_cast<float*>(works.data.output({kFloatBytes * blocks * 256}));
  if (point.tensor) {
    works.chains.push_back({cuda::TensorIssueWork{.dtype = point.dtype, .loops = 2048, .blocks = blocks, .out = out}});
  } else {
    works.chains.push_back({cuda::FmaIssueWork{.loops = 2048, .blocks = blocks, .out = out}});
  }
  return works;
}

PreparedWorks prepare(const GpuBench& bench, const GpuChasePoint& point, std::uint32_t& steps) {
  constexpr std::uint32_t kLine = 32, kMostSteps = 16384;  // 128 bytes of indices: no two loads share a cache line
  const auto indices = static_cast<std::uint32_t>(point.footprint.value / sizeof(std::uint32_t));
  steps = std::clamp(indices / kLine, 1U, kMostSteps);
  // Segments that take turns: in memory, no call finds what an earlier one has read; in the cache, all do.
  const std::uint32_t segments = std::max(1U, indices / (steps * kLine));
  PreparedWorks works = empty(bench);
  RandomNumbers random(kSeed);
  auto* out = reinterpret_cast<std::uint32_t*>(works.data.output({16}));
  for (std::uint32_t i = 0; i < segments; ++i) {
    const std::uint32_t* next = works.data.upload(random_cycle(steps * kLine, kLine, random));
    works.chains.push_back({cuda::ChaseWork{.next = next, .steps = steps, .out = out}});
  }
  return works;
}

Bytes traffic(const cuda::StreamWork& work) {
  const double arrays = work.stream == cuda::Stream::triad ? 3 : work.stream == cuda::Stream::copy ? 2 : 1;
  return {arrays * static_cast<double>(work.bytes)};
}

}  // namespace moesaic
