#include "model/memory.hpp"

#include <algorithm>
#include <cmath>

#include "model/real.hpp"
#include "model/step.hpp"

namespace moesaic {
namespace {

/// Share of one layer's cache that one rank holds: KV heads are split by tensor parallelism down to one head a rank;
/// the MLA latent is not split at all.
double cache_share(const Attention& attention, int tensor) {
  if (const auto* softmax = std::get_if<SoftmaxAttention>(&attention)) {
    return 1 / std::min<double>(tensor, real(softmax->kv_heads));
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
  Bytes away_kv;  ///< not on the device
  Bytes state;
};

SequenceBytes sequence_bytes(const StepPlan& plan, const PipelineStage& stage, double context) {
  const Architecture& architecture = plan.architecture();
  const int tensor = plan.mapping().tensor;
  SequenceBytes result;
  for (std::size_t i = 0; i < architecture.kinds.size(); ++i) {
    const Attention& attention = architecture.kinds[i].attention;
    const double layers = real(stage.layers_of_kind[i]);
    const double kept =
        layers * cached_tokens(attention, context) * cache_share(attention, tensor) / plan.mapping().context;
    const Bytes cache = plan.precision().kv.bytes(kept * kv_elements_per_token(attention)) +
                        plan.precision().index_keys.bytes(kept * indexer_key_elements(attention));
    const double on_device = plan.layer_parts(i).on_device ? 1 : plan.placement().homes().cache_on_device;
    result.kv += cache * on_device;
    result.away_kv += cache * (1 - on_device);
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
      widest = std::max(widest, real(dense->width) * dense->matrices / mapping.tensor);
    } else {
      const auto& moe = std::get<MoeFeedForward>(kind.feed_forward);
      // Rows of the routed experts on one rank, a token that it works on itself: the stage's tokens over the copies of
      // the experts and their groups, gathered beside the result.
      const double tokens = static_cast<double>(mapping.data) * mapping.context / mapping.expert_data();
      const double even = real(moe.experts_per_token) * tokens / mapping.expert;
      const double rows = even * std::max(1.0, plan.features().capacity_factor);
      widest = std::max(
          widest, rows * (real(moe.width) * moe.matrices / mapping.expert_tensor() + 2 * real(architecture.hidden)));
    }
    if (const auto* softmax = std::get_if<SoftmaxAttention>(&kind.attention)) {
      widest = std::max(widest, real(softmax->heads * (softmax->qk_dim + softmax->v_dim)) / mapping.tensor);
    } else if (const auto* latent = std::get_if<LatentAttention>(&kind.attention)) {
      widest =
          std::max(widest, real(latent->heads * (2 * latent->nope_dim + 2 * latent->rope_dim + 2 * latent->v_dim)) /
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

/// Weights of the experts that one layer brings to the device at once: those that a decode step chooses, evenly spread,
/// but for those that are there.
Bytes fetched_at_once(const StepPlan& plan, std::size_t kind, double tokens, const MemoryHomes& homes) {
  const auto* moe = std::get_if<MoeFeedForward>(&plan.architecture().kinds[kind].feed_forward);
  if (moe == nullptr || homes.fetched_layers == 0) {
    return {};
  }
  const double chosen = real(moe->experts_per_token) / real(moe->experts);
  const double used = -std::expm1(std::max(1.0, tokens) * std::log1p(-std::min(chosen, 1 - 1e-16)));
  const double missing = (1 - homes.experts_on_device) * std::min(1.0, used * (1 + homes.prefetch_extra));
  return plan.layer_parts(kind).experts * missing;
}

/// What the slots hold through which experts pass one by one.
Bytes room_of_slots(const LayerWeights& weights, const MemoryHomes& homes) {
  return homes.expert_slots == 0 || weights.expert_count <= 0
             ? weights.experts * static_cast<double>(std::max(homes.buffered_layers, homes.fetched_layers))
             : weights.experts * (homes.expert_slots / weights.expert_count);
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

/// What the unit near memory has in its own memory leaves the device's, or is there twice.
void move_apart(const StepPlan& plan, const PipelineStage& stage, const MemoryHomes& homes, ReplicaMemory& memory) {
  if (homes.cache_apart) {
    std::swap(memory.apart.kv, memory.device.kv);
  }
  const auto hold = [&](double share, bool only, auto weights_of) {
    Bytes held;
    for (std::size_t i = 0; share > 0 && i < plan.architecture().kinds.size(); ++i) {
      held += weights_of(i) * real(stage.layers_of_kind[i]) * share;
    }
    memory.apart.weights += held;
    memory.device.weights -= only ? held : Bytes{};
  };
  hold(homes.experts_apart ? 1 : 0, homes.experts_only_apart,
       [&](std::size_t kind) { return plan.layer_parts(kind).experts; });
  hold(homes.feed_forward_apart, homes.feed_forward_only_apart, [&](std::size_t kind) {
    const FeedForward& feed_forward = plan.architecture().kinds[kind].feed_forward;
    const double parameters = std::holds_alternative<DenseFeedForward>(feed_forward)
                                  ? feed_forward_parameters(feed_forward, plan.architecture().hidden)
                                  : 0;
    return plan.precision().dense_weights.bytes(parameters / plan.mapping().tensor);
  });
}

/// The host has the tables, the states and the activations, too; of layers on the device their weights and caches stay.
void move_to_host(const StepPlan& plan, const PipelineStage& stage, ReplicaMemory& memory) {
  const double ranks = plan.mapping().devices();
  const Bytes tables = plan.embedding_weights(stage);
  memory.device.weights -= tables;
  memory.host.weights += tables;
  memory.host.state += memory.device.state * ranks;
  memory.host.activations += memory.device.activations * ranks;
  memory.device.state = Bytes{};
  if (plan.placement().device_layers() == 0) {
    memory.device.activations = memory.device.buffers = Bytes{};
  }
}

ReplicaMemory stage_memory(const StepPlan& plan, const MemoryLoad& load, const PipelineStage& stage) {
  const Architecture& architecture = plan.architecture();
  const Machine& machine = plan.machine();
  const Mapping& mapping = plan.mapping();
  const MemoryHomes homes = plan.placement().homes();
  const double ranks = mapping.devices();
  ReplicaMemory memory;

  Bytes layers, away, most_buffered, largest_fetched;
  const double decoded_tokens = ranks_sequences(plan, load.sequences);
  for (std::size_t i = 0; i < architecture.kinds.size(); ++i) {
    const LayerWeights& weights = plan.layer_parts(i);
    const Bytes kept = weights.on_device
                           ? weights.total()
                           : weights.dense * homes.dense_on_device + weights.experts * homes.experts_on_device;
    layers += kept * real(stage.layers_of_kind[i]);
    away += (weights.total() - kept) * real(architecture.count_of_kind(static_cast<int>(i)));
    const double layers_buffered = homes.buffered_layers;
    const Bytes streamed = weights.experts * (homes.streams_experts ? 1 - homes.experts_on_device : 0);
    const Bytes slots = room_of_slots(weights, homes);
    most_buffered = std::max(most_buffered, weights.dense * ((1 - homes.dense_on_device) * layers_buffered) +
                                                std::min(slots, streamed * layers_buffered));
    largest_fetched = std::max(largest_fetched, std::min(slots, fetched_at_once(plan, i, decoded_tokens, homes) *
                                                                    static_cast<double>(homes.fetched_layers)));
  }
  memory.device.weights = plan.embedding_weights(stage) + layers;
  away = away * mapping.stage_devices();
  memory.storage.weights = away * homes.weights_on_storage;
  memory.host.weights = away - memory.storage.weights;
  memory.device.buffers += most_buffered + largest_fetched;

  const SequenceBytes sequence = sequence_bytes(plan, stage, load.context);
  const double sequences = ranks_sequences(plan, load.sequences);
  memory.device.kv = sequence.kv * sequences;
  const Bytes away_cache = sequence.away_kv * (sequences * ranks);
  memory.storage.kv = away_cache * homes.cache_on_storage;
  memory.host.kv = away_cache - memory.storage.kv;
  memory.device.state = sequence.state * ranks_states(plan, sequences);

  const StorageType& activation = plan.precision().activations;
  // A decoding stage works on one micro-batch at a time.
  const double decoded = mapping.pipeline == 1 ? sequences : std::ceil(sequences / mapping.pipeline);
  const double tokens = std::max(decoded, std::min(sequences * load.prompt, load.step_tokens)) / mapping.context;
  const double logits = stage.last ? 2 * (mapping.pipeline == 1 ? sequences : decoded) : 0;
  // Of batches that take turns one computes, the others keep their residual streams and normalised inputs.
  const double hidden = real(architecture.hidden), at_once = homes.tokens_at_once;
  const double computing = std::min(tokens / homes.batches, at_once > 0 ? at_once : tokens);
  memory.device.activations = activation.bytes(computing * (4 * hidden + widest_intermediate(plan)) +
                                               (tokens - computing) * 2 * hidden * homes.activations_on_device +
                                               logits * real(architecture.vocabulary));
  memory.host.activations = activation.bytes(tokens * hidden * (1 - homes.activations_on_device)) * ranks;
  if (ranks > 1) {
    memory.device.buffers += activation.bytes(2 * tokens * real(architecture.hidden));
  }
  if (mapping.context > 1) {
    memory.device.buffers += passed_on(plan, load, std::min(sequences, std::ceil(load.step_tokens / load.prompt)));
  }
  if (homes.on_host) {
    move_to_host(plan, stage, memory);
  }
  memory.device.capacity = machine.device.memory.capacity;
  memory.device.reserve = memory.device.capacity * load.reserve_fraction;
  if (const Unit* unit = machine.device.apart()) {
    memory.apart.capacity = unit->memory->capacity;
    move_apart(plan, stage, homes, memory);
  }
  // What spaces without cache have no other use for is lost.
  const int spaces = machine.device.memory.spaces;
  if (memory.device.kv > Bytes{} && homes.cache_spaces > 0 && homes.cache_spaces < spaces) {
    const Bytes others = memory.device.capacity * (1 - static_cast<double>(homes.cache_spaces) / spaces);
    const Bytes rest = memory.device.total() - memory.device.kv;
    memory.device.reserve += std::max(Bytes{}, others - rest);
  }
  if (machine.host) {
    memory.host.capacity = machine.host->memory.capacity;
    memory.storage.capacity = machine.host->storage ? machine.host->storage->capacity : Bytes{};
  }
  memory.kv_per_token = plan.precision().kv.bytes(kv_elements_per_token(architecture));
  return memory;
}

}  // namespace

ReplicaMemory replica_memory(const StepPlan& plan, const MemoryLoad& load) {
  const auto full = [](const ReplicaMemory& memory) {
    const auto share = [](const MemoryFootprint& of) { return of.capacity > Bytes{} ? of.total() / of.capacity : 0; };
    return std::max(share(memory.device), share(memory.apart));
  };
  ReplicaMemory fullest = stage_memory(plan, load, plan.stages().front());
  for (std::size_t i = 1; i < plan.stages().size(); ++i) {
    const ReplicaMemory memory = stage_memory(plan, load, plan.stages()[i]);
    if (full(memory) > full(fullest)) {
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
