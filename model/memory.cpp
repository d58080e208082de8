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

/// Bytes of KV and of state that one sequence of `context` tokens takes on one rank of a stage. Of context-parallel
/// ranks each has a part of the cache; a state is with one of them (see ranks_states).
struct SequenceBytes {
  Bytes kv;
  Bytes state;
};

SequenceBytes sequence_bytes(const StepPlan& plan, const PipelineStage& stage, double context) {
  const Architecture& architecture = plan.architecture();
  const int tensor = plan.mapping().tensor;
  SequenceBytes result;
  for (std::size_t i = 0; i < architecture.kinds.size(); ++i) {
    const Attention& attention = architecture.kinds[i].attention;
    const double layers = number(stage.layers_of_kind[i]);
    const double kept =
        layers * cached_tokens(attention, context) * cache_share(attention, tensor) / plan.mapping().context;
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
      // Rows of the routed experts on one rank, a token that it works on itself: the stage's tokens over the copies of
      // the experts and their groups, gathered beside the result.
      const double tokens = static_cast<double>(mapping.data) * mapping.context / mapping.expert_data();
      const double even = number(moe.experts_per_token) * tokens / mapping.expert;
      const double rows = even * std::max(1.0, plan.features().capacity_factor);
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

/// Sequences whose recurrent state one rank has: context-parallel ranks divide them.
double ranks_states(const StepPlan& plan, double sequences) {
  return plan.mapping().context == 1 ? sequences : std::ceil(sequences / plan.mapping().context);
}

/// Keys and values of other context-parallel ranks that one holds of one layer while prompts are processed: all of them
/// where they are gathered first, of a ring those that arrive and those that leave.
Bytes passed_on(const StepPlan& plan, const MemoryLoad& load, double prompts) {
  const Mapping& mapping = plan.mapping();
  double widest = 0;
  for (const LayerKind& kind : plan.architecture().kinds) {
    widest = std::max(widest, kv_elements_per_token(kind.attention) * cache_share(kind.attention, mapping.tensor));
  }
  const double parts = mapping.context_ring ? 2.0 / mapping.context : 1.0;
  return plan.precision().activations.bytes(prompts * load.prompt * parts * widest);
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

namespace {

ReplicaMemory stage_memory(const StepPlan& plan, const MemoryLoad& load, const PipelineStage& stage) {
  const Architecture& architecture = plan.architecture();
  const Machine& machine = plan.machine();
  const Mapping& mapping = plan.mapping();
  const MemoryHomes homes = plan.placement().homes();
  const double ranks = mapping.devices();
  ReplicaMemory memory;

  Bytes layers, all_layers, largest_layer;
  for (std::size_t i = 0; i < architecture.kinds.size(); ++i) {
    layers += plan.layer_weights(i) * number(stage.layers_of_kind[i]);
    all_layers += plan.layer_weights(i) * number(architecture.count_of_kind(static_cast<int>(i)));
    largest_layer = std::max(largest_layer, plan.layer_weights(i));
  }
  memory.device.weights = plan.embedding_weights(stage);
  if (homes.weights_on_host) {
    memory.host.weights = all_layers * mapping.stage_devices();
    memory.device.buffers += largest_layer * static_cast<double>(homes.buffered_layers);
  } else {
    memory.device.weights += layers;
  }

  const SequenceBytes sequence = sequence_bytes(plan, stage, load.context);
  const double sequences = ranks_sequences(plan, load.sequences);
  (homes.cache_on_host ? memory.host : memory.device).kv =
      sequence.kv * (sequences * (homes.cache_on_host ? ranks : 1));
  memory.device.state = sequence.state * ranks_states(plan, sequences);

  const StorageType& activation = plan.precision().activations;
  // A decoding stage works on one micro-batch at a time.
  const double decoded = mapping.pipeline == 1 ? sequences : std::ceil(sequences / mapping.pipeline);
  const double tokens = std::max(decoded, std::min(sequences * load.prompt, load.step_tokens)) / mapping.context;
  const double logits = stage.last ? 2 * (mapping.pipeline == 1 ? sequences : decoded) : 0;
  memory.device.activations = activation.bytes(tokens * (4 * number(architecture.hidden) + widest_intermediate(plan)) +
                                               logits * number(architecture.vocabulary));
  if (ranks > 1) {
    memory.device.buffers += activation.bytes(2 * tokens * number(architecture.hidden));
  }
  if (mapping.context > 1) {
    memory.device.buffers += passed_on(plan, load, std::min(sequences, std::ceil(load.step_tokens / load.prompt)));
  }
  memory.device.capacity = machine.device.memory.capacity;
  memory.device.reserve = memory.device.capacity * load.reserve_fraction;
  if (machine.host) {
    memory.host.capacity = machine.host->memory.capacity;
  }
  memory.kv_per_token = plan.precision().kv.bytes(kv_elements_per_token(architecture));
  return memory;
}

}  // namespace

ReplicaMemory replica_memory(const StepPlan& plan, const MemoryLoad& load) {
  ReplicaMemory fullest;
  for (const PipelineStage& stage : plan.stages()) {
    const ReplicaMemory memory = stage_memory(plan, load, stage);
    if (memory.device.total() > fullest.device.total()) {
      fullest = memory;
    }
  }
  return fullest;
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
