// Times of layers whose experts are fetched from host memory, in closed form.
#pragma once

#include <cstdint>

#include "base/quantity.hpp"

namespace moesaic {

/// Distinct experts that `tokens` tokens use when each uses `per_token` of `experts`, all alike and independent.
double expected_distinct_experts(double experts, double per_token, double tokens);

/// When a block's experts are fetched (Pre-gated MoE, arXiv:2308.12066).
enum class ExpertFetch : std::uint8_t {
  resident,       ///< never: all are on the GPU
  on_demand,      ///< those chosen, once the block's gate has chosen them
  pre_gated,      ///< those chosen, while the block before runs; the first block of a pass fetches on demand
  all_in_advance  ///< all of a block, while the block before runs
};

/// Blocks of a pass, each one MoE layer with what belongs to it.
struct FetchedBlocks {
  double blocks = 1;
  Seconds other{}, gate{}, experts{};  ///< of one block: attention and dense layers, its gate, its experts' products
  double held = 1;                     ///< experts of a block
  double chosen = 1;                   ///< distinct ones that a pass uses of a block
  Bytes expert;
  BytesPerSecond link;
  Bytes other_weights{};  ///< all that is not an expert
};

/// Time of all blocks: for one token, or for a batch of tokens that takes turns over no layer.
Seconds pass_time(const FetchedBlocks& blocks, ExpertFetch fetch);
/// Peak of weights on the GPU (section 4 of the paper): other weights with the experts of the one or two blocks at
/// work.
Bytes peak_weights(const FetchedBlocks& blocks, ExpertFetch fetch);

/// Ring memory (SE-MoE, arXiv:2205.10034, section 3.3.2): a GPU holds `slots` layers' experts; when a layer is done its
/// slot takes the layer `slots` ahead, in order, on a copy stream of its own. The recurrences are our reconstruction:
///   load(i) = max(load(i-1), done(i-slots)) + t_load,  done(i) = max(done(i-1), load(i)) + t_layer
struct Ring {
  std::int64_t layers = 1;
  std::int64_t slots = 2;
  Seconds load, compute;  ///< of one layer
};
/// All layers `passes` times, from empty slots, by the recurrence. With a slot for every layer nothing is loaded twice.
Seconds ring_time(const Ring& ring, std::int64_t passes);
/// Of a layer in the steady state: max(load, compute) with two slots or more, their sum with one.
Seconds ring_layer_time(const Ring& ring);

/// Decode attention split between CPU and GPU (MoE-Gen, arXiv:2503.09716): `share` of it on the CPU, the KV of the rest
/// copied and then read by the GPU. Times are those of all of it.
struct AttentionSplit {
  Seconds cpu, copy, gpu;
};
Seconds split_time(const AttentionSplit& split, double share);
/// The share at which both sides take the same time: the best one.
double best_split(const AttentionSplit& split);

/// What a layer keeps busy once it is pipelined; the CPU's memory serves the CPU's reads and both directions of copies.
struct LayerWork {
  Seconds gpu, cpu;
  Bytes to_gpu, to_cpu;
  Bytes cpu_traffic;  ///< of the CPU's own work in its memory
  BytesPerSecond link, cpu_bandwidth;
};
Seconds pipelined_layer_time(const LayerWork& work);

/// A token's time when a share `hit` of its experts is on the GPU already, and of each layer's fetches `window` is
/// hidden behind other work.
struct ExpertMisses {
  double layers = 1, per_token = 1;
  double hit = 0;
  Bytes expert;
  BytesPerSecond link;
  Seconds resident;  ///< of a token, nothing missing
  Seconds window;    ///< of a layer
};
Seconds token_time(const ExpertMisses& misses);

}  // namespace moesaic
