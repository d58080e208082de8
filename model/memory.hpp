// What must fit: the bytes that one device (and the host) holds, by class.
#pragma once

#include "base/quantity.hpp"

namespace moesaic {

/// Where a placement keeps weights and cache, in shares of their bytes. What of the weights is not on the device is in
/// the host's memory or on its storage, and passes through buffers.
struct MemoryHomes {
  double dense_on_device = 1;
  double experts_on_device = 1;
  double cache_on_device = 1;
  int buffered_layers = 0;       ///< layers of streamed weights that the device buffers
  bool streams_experts = false;  ///< a streamed layer brings its experts
  int fetched_layers = 0;        ///< layers whose chosen experts the device buffers
  double prefetch_extra = 0;     ///< experts buffered besides, per chosen one
  int expert_slots = 0;          ///< experts pass through so many, one by one; 0: as many as come at once
  double weights_on_storage = 0;
  double cache_on_storage = 0;
  double activations_on_device = 1;  ///< of the batches that wait: their residual streams
  int batches = 1;                   ///< that take turns: one computes at a time
  double tokens_at_once = 0;         ///< that an operator works on: only theirs are there besides; 0: all
  bool on_host = false;              ///< nothing of the network is on the device but whole layers

  /// Of a device with a unit near its memory. `cache_spaces`: of the memory's spaces, those that cache may be in; 0:
  /// all.
  int cache_spaces = 0;
  /// Where that unit has a memory of its own: what is there instead (cache), or too (experts and the feed-forward of
  /// dense layers, unless they are only there).
  bool cache_apart = false, experts_apart = false, experts_only_apart = false;
  double feed_forward_apart = 0;  ///< share of its columns
  bool feed_forward_only_apart = false;
};

/// Bytes of one memory pool, by class. `cache` is KV and recurrent state.
struct MemoryFootprint {
  Bytes weights{};
  Bytes kv{};
  Bytes state{};
  Bytes activations{};
  Bytes buffers{};  ///< communication and streaming buffers
  Bytes reserve{};  ///< the runtime's: context, graphs, fragmentation
  Bytes capacity{};
  Bytes total() const { return weights + kv + state + activations + buffers + reserve; }
  Bytes free() const { return capacity - total(); }
  bool fits() const { return total() <= capacity; }
};

/// Sizes that memory depends on, for one replica.
struct MemoryLoad {
  double sequences = 0;         ///< held at once, over the replica
  double context = 0;           ///< longest length that each sequence reaches
  double prompt = 1;            ///< tokens of one sequence that prefill processes
  double step_tokens = 0;       ///< most prefill tokens of one step on one attention-parallel group
  double reserve_fraction = 0;  ///< of the device's memory that the runtime keeps for itself
};

struct ReplicaMemory {
  MemoryFootprint device;   ///< of the fullest device
  MemoryFootprint apart;    ///< of the memory that its unit near memory has for itself; capacity zero: none
  MemoryFootprint host;     ///< this replica's use of the host's memory; capacity zero when the machine has no host
  MemoryFootprint storage;  ///< and of its storage; capacity zero when it has none
  Bytes kv_per_token{};     ///< one token over all layers and all devices, windows ignored
  bool fits() const {
    return device.fits() && apart.fits() && (host.total() <= Bytes{0} || host.fits()) &&
           (storage.total() <= Bytes{0} || storage.fits());
  }
};

class StepPlan;

ReplicaMemory replica_memory(const StepPlan& plan, const MemoryLoad& load);

/// The most sequences that fit when each reaches `load.context` tokens (load.sequences is not read); 0: not even one.
double largest_batch(const StepPlan& plan, const MemoryLoad& load);
/// The longest context at which load.sequences sequences fit; 0: none.
double longest_context(const StepPlan& plan, const MemoryLoad& load);

}  // namespace moesaic
