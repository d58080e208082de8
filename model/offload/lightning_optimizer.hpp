// MoE-Lightning's optimizer of decode (arXiv:2411.11217, Eqs 12 to 14) in the executable form that its authors
// published (github.com/caoshiyi/artifacts, branch asplos25, fastmoe/backend/optimizer.py and utils.py).
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/quantity.hpp"
#include "model/offload/alike_layers.hpp"

namespace moesaic::lightning {

/// Figures of all GPUs together.
struct Machine {
  Bytes gpu_memory, cpu_memory;
  BytesPerSecond link, gpu_bandwidth, cpu_bandwidth;
  FlopsPerSecond gpu, cpu;
  double devices = 1;       ///< tensor parallel
  double gpu_share = 0.86;  ///< of memory that a policy may fill
  double cpu_share = 0.8;
};

struct Load {
  double prompt = 0;
  double generated = 0;
};

/// The KV cache lies in CPU memory, as in all published policies.
struct Policy {
  std::int64_t micro_batch = 1;
  std::int64_t micro_batches = 1;
  double resident = 0;  ///< share of experts' weights on the GPU
  bool gpu_attention = false;

  double batch() const { return static_cast<double>(micro_batch) * static_cast<double>(micro_batches); }
};

struct Cost {
  Seconds transfer;  ///< of a layer, CPU to GPU
  Seconds cpu;       ///< attention there
  Seconds gpu_attention, gpu_experts;
  Seconds layer;                 ///< the longest of transfer, CPU and GPU
  Seconds step;                  ///< all layers
  PerSecond decode_rate;         ///< generated tokens over the time of all steps but the first
  Bytes gpu_memory, cpu_memory;  ///< peaks
  bool fits = false;             ///< both within their shares
};

/// Attention counts 2 FLOPs an element of queries times keys, as the authors' code does: about half of the true work.
Cost cost(const AlikeLayers& model, const Machine& machine, const Load& load, const Policy& policy);

/// 16-bit weights that always stay on the GPU: attention's, of all layers.
Bytes resident_weights(const AlikeLayers& model);

/// The least share of resident experts with the least time of a layer that fits: exact, as time and memory are linear
/// in it but for a maximum. None if nothing fits.
std::optional<Policy> with_best_share(const AlikeLayers& model, const Machine& machine, const Load& load,
                                      Policy policy);

/// Micro-batches of which one fits: 1 to 4, then every `step`th, up to 4,096 (the authors' step is 32).
std::vector<std::int64_t> micro_batches_that_fit(const AlikeLayers& model, const Machine& machine, const Load& load,
                                                 bool gpu_attention, std::int64_t step = 32);

struct Choice {
  Policy policy;
  Cost cost;
};
/// Best decode rate over the micro-batches given and every number of them that fits, up to 4,096; of equal ones the
/// smallest batch of the largest micro-batch. None if nothing fits.
std::optional<Choice> best_policy(const AlikeLayers& model, const Machine& machine, const Load& load,
                                  std::span<const std::int64_t> micro_batches, bool gpu_attention);

}  // namespace moesaic::lightning
