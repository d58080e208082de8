#include "sim/offload_fit.hpp"

#include <algorithm>
#include <cmath>

namespace moesaic {
namespace {

constexpr double kShareUnit = 1e-3;  // of dense weights, cache and storage: what a person would write

Bytes lacking(const MemoryFootprint& memory) {
  return memory.total() > Bytes{0} ? std::max(Bytes{0}, memory.total() - memory.capacity) : Bytes{};
}

HybridDescription start(const OffloadShape& shape, const HybridDescription& assumed) {
  HybridDescription out;
  out.name = "offload";
  out.engine = assumed.engine;
  out.copies = assumed.copies;
  out.overlap = assumed.overlap;
  out.sockets_apart = assumed.sockets_apart;
  out.skipped = assumed.skipped;
  out.tokens_at_once = assumed.tokens_at_once;
  out.attended = assumed.attended;
  out.batches = shape.batches;
  out.buffered_layers = shape.buffered_layers;
  const auto on_host = [&](MissingExperts missing) {
    out.missing = missing;
    out.deferred = assumed.deferred;
  };
  switch (shape.kind) {
    case OffloadKind::resident:
      out.experts_on_device = 1;
      break;
    case OffloadKind::host_experts:
      on_host(MissingExperts::host);
      break;
    case OffloadKind::cheaper:
      on_host(MissingExperts::cheaper);
      out.host_tokens = assumed.host_tokens;
      break;
    case OffloadKind::balanced:
      on_host(MissingExperts::balanced);
      out.host_tokens = assumed.host_tokens;
      break;
    case OffloadKind::fetched:
      out.missing = MissingExperts::fetched;
      out.prefetch_accuracy = assumed.prefetch_accuracy;
      out.look_ahead = assumed.look_ahead;
      out.prefetch_extra = assumed.prefetch_extra;
      out.copied_back = assumed.copied_back;
      out.copied_bytes = assumed.copied_bytes;
      out.expert_slots = assumed.expert_slots;
      break;
    case OffloadKind::streamed:
      out.expert_slots = assumed.expert_slots;
      break;
    case OffloadKind::host_layers:
    case OffloadKind::host:
      out.on_host = true;
      out.dense_on_device = 0;
      out.cache_on_device = 0;
      break;
  }
  return out;
}

/// Largest multiple of `unit` that is not above `share`, but for rounding.
double floor_to(double share, double unit) { return std::min(1.0, std::floor(share / unit + 1e-9) * unit); }

}  // namespace

double count_experts(const StepPlan& plan) {
  double count = 0;
  for (std::size_t i = 0; i < plan.architecture().kinds.size(); ++i) {
    count +=
        plan.layer_parts(i).expert_count * static_cast<double>(plan.architecture().count_of_kind(static_cast<int>(i)));
  }
  return count;
}

StepPlan OffloadFitter::plan(const HybridDescription& description) const {
  StepPlan plan(question_.architecture, question_.precision, question_.machine, question_.mapping,
                hybrid_placement(description), question_.routing, ExchangeKind::automatic, {}, &tables_);
  plan.attain(question_.cost->attained(plan.view()));
  return plan;
}

MemoryLoad OffloadFitter::memory_load(const Load& load) const {
  return {.sequences = static_cast<double>(load.batch),
          .context = static_cast<double>(load.input + load.output),
          .prompt = static_cast<double>(load.input),
          .step_tokens = static_cast<double>(load.step_tokens),
          .reserve_fraction = question_.cost->reserve_fraction()};
}

ReplicaMemory OffloadFitter::memory(const HybridDescription& description, const Load& load) const {
  if (description.device_layers > 0) {
    return replica_memory(plan(description), memory_load(load));
  }
  if (scratch_) {
    scratch_->place(hybrid_placement(description));
  } else {
    scratch_.emplace(plan(description));
  }
  return replica_memory(*scratch_, memory_load(load));
}

/// Memory of the device is convex in a share (weights that stay, less the largest layer's buffers), so that a chord
/// between a share that fits and one that does not meets the capacity at one that fits.
template <class Set>
double OffloadFitter::largest_share(HybridDescription description, const Load& load, double unit, Set set) const {
  const auto excess = [&](double share) {
    set(description, share);
    const ReplicaMemory needed = memory(description, load);
    return (needed.device.total() - needed.device.capacity).value;
  };
  double low = 0, high = 1, below = excess(0), above = excess(1);
  if (below > 0 || above <= 0) {
    return below > 0 ? 0 : 1;
  }
  constexpr int kMost = 8;  // a few bends at most: one for each layer kind
  for (int i = 0; i < kMost && high - low > unit; ++i) {
    const double next = low + (high - low) * -below / (above - below);
    if (next - low < unit / 2) {
      break;
    }
    const double at = excess(next);
    (at > 0 ? high : low) = next;
    (at > 0 ? above : below) = at;
  }
  double share = floor_to(low + (high - low) * -below / (above - below), unit);
  while (share > 0 && excess(share) > 0) {
    share = std::max(0.0, floor_to(share - unit / 2, unit));
  }
  return share;
}

int OffloadFitter::largest_layers(HybridDescription description, const Load& load) const {
  const auto fits = [&](int layers) {
    description.device_layers = layers;
    return memory(description, load).device.fits();
  };
  int low = 0, high = static_cast<int>(question_.architecture.layers.size());
  while (high - low > 1) {
    const int middle = (low + high) / 2;
    (fits(middle) ? low : high) = middle;
  }
  return low;
}

/// Only what copies missing experts in fills a cache: what the host computes instead brings none.
void OffloadFitter::give_cache(HybridDescription& description, const Load& load) const {
  const double share = hits_->whole_slots(description.experts_on_device);
  if (share > 0) {
    description.experts_on_device = share;
    description.cached = question_.assumed.cached;
    description.guesses_kept = question_.assumed.guesses_kept;
    description.hits = hits_->hits(share, load.batch);
  }
}

OffloadFitter::Fit OffloadFitter::checked(HybridDescription description, const Load& load) const {
  ReplicaMemory needed = memory(description, load);
  const Bytes host = lacking(needed.host);
  // What the host computes itself is taken to be in its memory.
  const bool stores = question_.machine.host->storage.has_value() && !description.on_host;
  if (host > Bytes{0} && stores && needed.host.weights > Bytes{0}) {
    const double share = std::ceil(host / needed.host.weights / kShareUnit) * kShareUnit;
    description.weights_on_storage = std::min(1.0, share);
    needed = memory(description, load);
  }
  const Bytes missing = lacking(needed.device) + lacking(needed.host) + lacking(needed.storage);
  if (!needed.fits()) {
    return {std::nullopt, missing};
  }
  return {std::move(description), {}};
}

OffloadFitter::Fit OffloadFitter::fit(const OffloadShape& shape, const Load& load) const {
  HybridDescription out = start(shape, question_.assumed);
  if (shape.kind == OffloadKind::streamed && out.expert_slots > 0 && out.batches > 1) {
    return {};  // experts in slots are gone before the next batch
  }
  if (shape.kind == OffloadKind::host_layers) {
    out.device_layers = static_cast<int>(shape.fraction * largest_layers(out, load));
    return out.device_layers == 0 ? Fit{} : checked(out, load);
  }
  if (shape.kind == OffloadKind::host) {
    return checked(out, load);
  }
  if (shape.cache != CacheHome::device) {
    out.cache_on_device = 0;
    out.host_attention = shape.cache == CacheHome::copied ? 0 : 1;
  }
  if (shape.dense == DenseHome::streamed) {
    out.dense_on_device = 0;
  } else if (shape.dense == DenseHome::largest) {
    out.dense_on_device =
        largest_share(out, load, kShareUnit, [](HybridDescription& d, double share) { d.dense_on_device = share; });
    if (out.dense_on_device <= 0 || out.dense_on_device >= 1) {
      return {};
    }
  }
  if (shape.cache == CacheHome::divided) {
    out.cache_on_device =
        largest_share(out, load, kShareUnit, [](HybridDescription& d, double share) { d.cache_on_device = share; });
    if (out.cache_on_device <= 0 || out.cache_on_device >= 1) {
      return {};
    }
  }
  const double experts = scratch_ ? count_experts(*scratch_) : count_experts(plan(out));
  if (shape.kind != OffloadKind::resident && experts > 0) {
    const double largest =
        largest_share(out, load, 1 / experts, [](HybridDescription& d, double share) { d.experts_on_device = share; });
    out.experts_on_device = floor_to(shape.fraction * largest, 1 / experts);
    if (out.experts_on_device >= 1 || (shape.fraction < 1 && largest <= 0)) {
      return {};  // as resident, or as the shape with the largest share
    }
  } else if (shape.kind != OffloadKind::resident && out.dense_on_device >= 1) {
    return {};  // without experts, nothing is elsewhere
  }
  if (hits_ != nullptr && shape.kind == OffloadKind::fetched) {
    give_cache(out, load);
  }
  return checked(out, load);
}

}  // namespace moesaic
