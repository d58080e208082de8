// FlexGen's cost model (arXiv:2303.06865; github.com/FMInference/FlexLLMGen, experimental/cost_model.py): weights, KV
// cache and activations each split over GPU, CPU and disk; a layer's weights serve a block of micro-batches.
#pragma once

#include <cstdint>

#include "base/quantity.hpp"
#include "model/offload/alike_layers.hpp"

namespace moesaic::flexgen {

/// Shares of one kind of data in each memory; they sum to 1.
struct Shares {
  double gpu = 0, cpu = 1, disk = 0;
};

struct Policy {
  std::int64_t micro_batch = 1;
  std::int64_t micro_batches = 1;
  Shares weights, kv, activations;
  bool compressed = false;  ///< weights in 4 bits

  double batch() const { return static_cast<double>(micro_batch) * static_cast<double>(micro_batches); }
};

struct Load {
  double prompt = 0;
  double generated = 0;
};

/// What the cost model takes of a machine. The figures here are those that its authors fitted to runs on a GCP T4
/// instance with SSD (cost_model.py); GiB/s and TFLOPS.
struct Rates {
  static constexpr BytesPerSecond gib(double value) { return {value * 1024 * 1024 * 1024}; }
  BytesPerSecond to_gpu = gib(12.89);
  BytesPerSecond kv_to_cpu = gib(0.97), activations_to_cpu = gib(4.82);
  BytesPerSecond from_disk = gib(0.473);
  BytesPerSecond kv_to_disk = gib(0.746), activations_to_disk = gib(2.015), decode_to_disk = gib(2.015);
  FlopsPerSecond prefill_products{21.24e12}, decode_products{4.3e12};
  FlopsPerSecond prefill_attention{9.97e12}, gpu_decode_attention{0.079e12}, cpu_decode_attention{0.0123e12};
  /// The CPU's attention slows down with x = log2(64 / micro-batch) and y = log2(4096 / hidden), neither below 0:
  /// 1 + both x y - batch x - width y, at least 0.1.
  double both = 0.0168, batch = 0.0328, width = 0.0621;
};

/// Of one layer; moves that run at the same time are named by their ends.
struct PhaseTimes {
  Seconds to_gpu, to_cpu, from_disk, to_disk, compute;
  Seconds layer;
};

struct Cost {
  PhaseTimes prefill, decode;          ///< of the whole prompt, and of one token of every sequence half way
  Seconds prefill_total;               ///< all layers
  Seconds decode_step;                 ///< all layers
  Seconds total;                       ///< the prompt and all tokens but the first
  PerSecond rate;                      ///< generated tokens over the total
  Bytes gpu_memory, cpu_memory, disk;  ///< peaks of the two phases
};

/// FlexGen overlaps in prefill what comes from (CPU after disk) with what goes out and with computing, but in decode
/// adds loads to the GPU to the longest of all else, as its code has it. A mixture of experts counts as in
/// MoE-Lightning's port: all experts' weights move, one expert's products are computed for a token, keys and values are
/// grouped.
Cost cost(const AlikeLayers& model, const Rates& rates, const Load& load, const Policy& policy);

}  // namespace moesaic::flexgen
