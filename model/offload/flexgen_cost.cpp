#include "model/offload/flexgen_cost.hpp"

#include <algorithm>
#include <cmath>

namespace moesaic::flexgen {
namespace {

constexpr double kCompressed = 4;      // times smaller
constexpr double kDiskWeights = 0.95;  // of the disk's rate, for weights in decode
constexpr double kLeastEfficiency = 0.1;

double off_gpu(const Shares& shares) { return shares.cpu + shares.disk; }

/// Weights of a layer without biases: attention, and the feed-forward network of all `experts`.
double layer_weights(const AlikeLayers& model, double experts) {
  return 2 * model.hidden * (model.hidden + model.kv_hidden()) + model.matrices * model.hidden * model.width * experts;
}

/// All that the terms of the cost model have in common.
struct Terms {
  const AlikeLayers& model;
  const Rates& rates;
  const Load& load;
  const Policy& policy;

  double batch() const { return policy.batch(); }
  Bytes weights() const {
    return Bytes{2 * layer_weights(model, model.experts)} / (policy.compressed ? kCompressed : 1);
  }
  /// 16-bit activations and cached keys and values of `tokens` tokens of `sequences`.
  Bytes activations(double sequences, double tokens) const { return {2 * sequences * tokens * model.hidden}; }
  Bytes kv(double sequences, double tokens) const { return {4 * sequences * tokens * model.kv_hidden()}; }
  Flops products(double tokens) const { return {2 * tokens * layer_weights(model, 1)}; }
  Flops decode_attention() const { return {4 * batch() * half_way() * model.hidden}; }
  double half_way() const { return load.prompt + load.generated / 2; }
};

FlopsPerSecond cpu_attention(const Terms& terms) {
  const Rates& rates = terms.rates;
  const double x = std::max(0.0, std::log2(64 / static_cast<double>(terms.policy.micro_batch)));
  const double y = std::max(0.0, std::log2(4096 / terms.model.hidden));
  return rates.cpu_decode_attention *
         std::max(kLeastEfficiency, 1 + rates.both * x * y - rates.batch * x - rates.width * y);
}

PhaseTimes prefill(const Terms& terms) {
  const Rates& rates = terms.rates;
  const Policy& policy = terms.policy;
  const double batch = terms.batch(), prompt = terms.load.prompt;
  const Bytes hidden = terms.activations(batch, prompt), kv = terms.kv(batch, prompt + 1);
  PhaseTimes times;
  times.to_gpu = (terms.weights() * off_gpu(policy.weights) + hidden * off_gpu(policy.activations)) / rates.to_gpu;
  times.to_cpu =
      kv * off_gpu(policy.kv) / rates.kv_to_cpu + hidden * off_gpu(policy.activations) / rates.activations_to_cpu;
  times.from_disk = (terms.weights() * policy.weights.disk + hidden * policy.activations.disk) / rates.from_disk;
  times.to_disk = kv * policy.kv.disk / rates.kv_to_disk + hidden * policy.activations.disk / rates.activations_to_disk;
  times.compute = terms.products(batch * prompt) / rates.prefill_products +
                  Flops{4 * batch * prompt * prompt * terms.model.hidden} / rates.prefill_attention;
  times.layer = std::max({times.to_gpu + times.from_disk, times.to_cpu + times.to_disk, times.compute});
  return times;
}

PhaseTimes decode(const Terms& terms) {
  const Rates& rates = terms.rates;
  const Policy& policy = terms.policy;
  const double batch = terms.batch();
  const Bytes hidden = terms.activations(batch, 1);
  PhaseTimes times;
  times.to_gpu = (terms.weights() * off_gpu(policy.weights) + hidden * off_gpu(policy.activations)) / rates.to_gpu;
  times.to_cpu = hidden * off_gpu(policy.activations) / rates.activations_to_cpu;
  times.from_disk =
      (terms.kv(batch, terms.half_way()) * policy.kv.disk + hidden * policy.activations.disk) / rates.from_disk +
      terms.weights() * policy.weights.disk / (rates.from_disk * kDiskWeights);
  times.to_disk = (terms.kv(batch, 1) * policy.kv.disk + hidden * policy.activations.disk) / rates.decode_to_disk;
  times.compute = terms.products(batch) / rates.decode_products +
                  terms.decode_attention() * policy.kv.gpu / rates.gpu_decode_attention +
                  terms.decode_attention() * off_gpu(policy.kv) / cpu_attention(terms);
  times.layer = times.to_gpu + std::max({times.to_cpu, times.from_disk, times.to_disk, times.compute});
  return times;
}

/// What a micro-batch of `tokens` new tokens a sequence works in; `scores`: bytes of attention for each sequence.
Bytes workspace(const Terms& terms, double micro, double tokens, double scores) {
  const AlikeLayers& model = terms.model;
  return {micro * tokens * (14 * model.hidden + 2 * model.width) + micro * scores};
}

void add_memory(const Terms& terms, Cost& cost) {
  const Policy& policy = terms.policy;
  const AlikeLayers& model = terms.model;
  const double batch = terms.batch(), micro = static_cast<double>(policy.micro_batch);
  const double prompt = terms.load.prompt, context = prompt + terms.load.generated;
  const Bytes layer = terms.weights(), kv = terms.kv(batch, context) * model.layers;
  const Bytes two_layers = 2 * layer * (1 - policy.weights.gpu);
  const double outside = 1 - policy.activations.gpu;

  const Bytes home = layer * model.layers * policy.weights.gpu + kv * policy.kv.gpu + two_layers;
  const Bytes prefill = terms.activations(batch, prompt) * policy.activations.gpu +
                        terms.activations(micro, prompt) * outside +
                        workspace(terms, micro, prompt, 2 * prompt * (2 * model.hidden + model.heads * prompt));
  const double scores = (4 * context * model.hidden + 4 * model.hidden + 2 * model.heads * context) * policy.kv.gpu;
  const Bytes decode = terms.activations(batch, 1) * policy.activations.gpu + terms.activations(micro, 1) * outside +
                       terms.kv(micro, context) * policy.kv.gpu + workspace(terms, micro, 1, scores);
  cost.gpu_memory = home + std::max(prefill, decode);

  const Bytes weights = layer * model.layers * policy.weights.cpu;
  const Bytes at_prefill = terms.activations(batch, prompt) * policy.activations.cpu +
                           terms.kv(batch, prompt) * model.layers * policy.kv.cpu + layer * (1 - policy.weights.gpu) +
                           terms.activations(micro, prompt) * outside;
  const Bytes at_decode = terms.activations(batch, 1) * policy.activations.cpu + kv * policy.kv.cpu +
                          layer * policy.weights.disk + 2 * terms.activations(micro, 1) * policy.activations.disk +
                          2 * terms.kv(micro, context) * policy.kv.disk +
                          Bytes{2 * micro * (model.heads * context + model.hidden)};
  cost.cpu_memory = weights + std::max(at_prefill, at_decode);
  cost.disk = layer * model.layers * policy.weights.disk + terms.activations(batch, prompt) * policy.activations.disk +
              kv * policy.kv.disk;
}

}  // namespace

Cost cost(const AlikeLayers& model, const Rates& rates, const Load& load, const Policy& policy) {
  const Terms terms{model, rates, load, policy};
  Cost cost;
  cost.prefill = prefill(terms);
  cost.decode = decode(terms);
  cost.prefill_total = cost.prefill.layer * model.layers;
  cost.decode_step = cost.decode.layer * model.layers;
  cost.total = cost.prefill_total + cost.decode_step * (load.generated - 1);
  cost.rate = PerSecond{policy.batch() * load.generated / cost.total.value};
  add_memory(terms, cost);
  return cost;
}

}  // namespace moesaic::flexgen
