#include "model/memory.hpp"

#include <algorithm>
#include <cmath>

#include "model/step.hpp"

namespace moesaic {
namespace {

double number(std::int64_t value) { return static_cast<double>(value); }

/// Share of one layer's cache that one rank holds: KV heads are split by tensor parallelism down to one head a rank;
/// the MLA latent is not split at all.
double cache_share(const Attention& attention, int tensor) {
  if (const auto* softmax = std::get_if<SoftmaxAttention>(&attention)) {
    return 1 / std::min<double>(tensor, number(softmax->kv_heads));
  }
  return std::holds_alternative<LatentAttention>(attention) ? 1.0 : 1.0 / tensor;
}

double state_share(const Attention& attention, int tensor) {
  return std::holds_alternative<SoftmaxAttention>(attention) || std::holds_alternative<LatentAttention>(attention)
             ? 0.0
             : 1.0 / tensor;
}

/// Bytes of KV and of state that one sequence of `context` tokens takes on one rank.
struct SequenceBytes {
  Bytes kv;
  Bytes state;
};

SequenceBytes sequence_bytes(const StepPlan& plan, double context) {
  const Architecture& architecture = plan.architecture();
  const int tensor = plan.mapping().tensor;
  SequenceBytes result;
  for (std::size_t i = 0; i < architecture.kinds.size(); ++i) {
    const Attention& attention = architecture.kinds[i].attention;
    const double layers = number(architecture.count_of_kind(static_cast<int>(i)));
    const double kept = layers * cached_tokens(attention, context) * cache_share(attention, tensor);
    result.kv += plan.precision().kv.bytes(kept * kv_elements_per_token(attention)) +
                 plan.precision().index_keys.bytes(kept * indexer_key_elements(attention));
    result.state +=
        plan.precision().state.bytes(layers * state_elements_per_sequence(attention) * state_share(attention, tensor));
  }
  return result;
}

/// Widest intermediate of any layer, in elements a token on one rank, beside residual and normalised input.
double widest_intermediate(const StepPlan& plan) {
  const Architecture& architecture = plan.architecture();
  const Mapping& mapping = plan.mapping();
  double widest = 0;
  for (const LayerKind& kind : architecture.kinds) {
    if (const auto* dense = std::get_if<DenseFeedForward>(&kind.feed_forward)) {
      widest = std::max(widest, number(dense->width) * dense->matrices / mapping.tensor);
    } else {
      const auto& moe = std::get<MoeFeedForward>(kind.feed_forward);
      // Rows of the routed experts on one rank: the replica's tokens over the expert groups, gathered beside the
      // result.
      const double rows = number(moe.experts_per_token) * mapping.data / mapping.expert;
      widest = std::max(widest, rows * (number(moe.width) * moe.matrices / mapping.expert_tensor() +
                                        2 * number(architecture.hidden)));
    }
    if (const auto* softmax = std::get_if<SoftmaxAttention>(&kind.attention)) {
      widest = std::max(widest, number(softmax->heads * (softmax->qk_dim + softmax->v_dim)) / mapping.tensor);
    } else if (const auto* latent = std::get_if<LatentAttention>(&kind.attention)) {
      widest =
          std::max(widest, number(latent->heads * (2 * latent->nope_dim + 2 * latent->rope_dim + 2 * latent->v_dim)) /
                               mapping.tensor);
    }
  }
  return widest;
}

double ranks_sequences(const StepPlan& plan, double sequences) {
  return plan.mapping().data == 1 ? sequences : std::ceil(sequences / plan.mapping().data);
}

/// The largest whole number for which `fits` holds, where it holds up to some number and not beyond; 0 if not for one.
template <class Fits>
double largest_that(Fits fits) {
  constexpr double kMost = 1LL << 40;
  double low = 0, high = 1;
  while (high <= kMost && fits(high)) {
    low = high;
    high *= 2;
  }
  while (high - low > 1) {
    const double middle = std::floor((low + high) / 2);
    (fits(middle) ? low : high) = middle;
  }
  return low;
}

}  // namespace

ReplicaMemory replica_memory(const StepPlan& plan, const MemoryLoad& load) {
  const Architecture& architecture = plan.architecture();
  const Machine& machine = plan.machine();
  const MemoryHomes homes = plan.placement().homes();
  const double ranks = plan.mapping().devices();
  ReplicaMemory memory;

  Bytes layers;
  Bytes largest_layer;
  for (std::size_t i = 0; i < architecture.kinds.size(); ++i) {
    layers += plan.layer_weights(i) * number(architecture.count_of_kind(static_cast<int>(i)));
    largest_layer = std::max(largest_layer, plan.layer_weights(i));
  }
  memory.device.weights = plan.embedding_weights();
  if (homes.weights_on_host) {
    memory.host.weights = layers * ranks;
    memory.device.buffers += largest_layer * static_cast<double>(homes.buffered_layers);
  } else {
    memory.device.weights += layers;
  }

  const SequenceBytes sequence = sequence_bytes(plan, load.context);
  const double sequences = ranks_sequences(plan, load.sequences);
  (homes.cache_on_host ? memory.host : memory.device).kv =
      sequence.kv * (sequences * (homes.cache_on_host ? ranks : 1));
  memory.device.state = sequence.state * sequences;

  const StorageType& activation = plan.precision().activations;
  const double tokens = std::max(sequences, std::min(sequences * load.prompt, load.step_tokens));
  memory.device.activations = activation.bytes(tokens * (4 * number(architecture.hidden) + widest_intermediate(plan)) +
                                               2 * sequences * number(architecture.vocabulary));
  if (ranks > 1) {
    memory.device.buffers += activation.bytes(2 * tokens * number(architecture.hidden));
  }
  memory.device.capacity = machine.device.memory.capacity;
  memory.device.reserve = memory.device.capacity * load.reserve_fraction;
  if (machine.host) {
    memory.host.capacity = machine.host->memory.capacity;
  }
  memory.kv_per_token = plan.precision().kv.bytes(kv_elements_per_token(architecture));
  return memory;
}

double largest_batch(const StepPlan& plan, const MemoryLoad& load) {
  return largest_that([&](double sequences) {
    MemoryLoad tried = load;
    tried.sequences = sequences;
    return replica_memory(plan, tried).fits();
  });
}

double longest_context(const StepPlan& plan, const MemoryLoad& load) {
  return largest_that([&](double context) {
    MemoryLoad tried = load;
    tried.context = context;
    return replica_memory(plan, tried).fits();
  });
}

}  // namespace moesaic
