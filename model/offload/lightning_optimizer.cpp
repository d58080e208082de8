#include "model/offload/lightning_optimizer.hpp"

#include <algorithm>

#include "base/error.hpp"

namespace moesaic::lightning {
namespace {

constexpr double kBytes = 2;                 // of an element
constexpr double kEqual = 1e-9;              // rates closer than this are the same
constexpr std::int64_t kMostBatches = 4096;  // of micro-batches, where the memory never fills

Bytes layer_experts(const AlikeLayers& model) { return model.expert_bytes() * model.experts; }

/// Decode attention of one micro-batch in one layer.
Seconds attention(const AlikeLayers& model, double sequences, double context, FlopsPerSecond peak,
                  BytesPerSecond bandwidth) {
  const double heads_dim = model.heads * model.head_dim;
  const Flops flops{2 * sequences * context * (heads_dim + model.heads)};
  const Bytes bytes{kBytes * 2 * sequences * (heads_dim + context * model.kv_hidden())};
  return std::max(flops / peak, bytes / bandwidth);
}

Seconds experts(const AlikeLayers& model, double tokens, const Machine& machine) {
  const Flops flops{2 * tokens * model.hidden * model.width * model.matrices * model.experts_per_token};
  const Bytes bytes = Bytes{kBytes * tokens * (model.hidden + model.width)} + layer_experts(model);
  return std::max(flops / machine.gpu, bytes / machine.gpu_bandwidth);
}

Bytes gpu_peak(const AlikeLayers& model, const Machine& machine, const Load& load, const Policy& policy) {
  const double batch = policy.batch(), micro = static_cast<double>(policy.micro_batch);
  const Bytes layer = layer_experts(model);
  const Bytes weights = resident_weights(model) + layer * model.layers * policy.resident;
  const double context = load.prompt + load.generated;
  const Bytes kv{policy.gpu_attention ? 4 * context * model.kv_hidden() * batch * model.layers : 0};
  const Bytes decode = Bytes{2 * kBytes * model.hidden * batch * machine.devices} + kv;
  const Bytes prefill{machine.devices * kBytes * model.hidden * 2 * load.prompt * micro +
                      machine.devices * model.hidden * batch * kBytes * load.prompt +
                      2 * 4 * load.prompt * model.kv_hidden() * micro};
  const double rows = micro * model.experts_per_token * load.prompt;
  const Bytes intermediate{1.2 * kBytes * rows * (model.hidden * machine.devices + model.matrices * model.width)};
  return weights + std::max(decode, prefill) + 2 * layer * (1 - policy.resident) + intermediate;
}

Bytes cpu_peak(const AlikeLayers& model, const Machine& machine, const Load& load, const Policy& policy) {
  const double batch = policy.batch();
  const Bytes kv = model.kv_bytes_per_token() * (load.prompt + load.generated) * batch;
  const Bytes hidden{kBytes * model.hidden * batch * load.prompt * machine.devices};
  return layer_experts(model) * (model.layers + 2) * (1 - policy.resident) + kv + hidden;
}

}  // namespace

Bytes resident_weights(const AlikeLayers& model) {
  return Bytes{4 * model.hidden * (model.hidden + model.kv_hidden())} * model.layers;
}

Cost cost(const AlikeLayers& model, const Machine& machine, const Load& load, const Policy& policy) {
  const double micro = static_cast<double>(policy.micro_batch), turns = static_cast<double>(policy.micro_batches);
  const double context = load.prompt + load.generated;
  Cost cost;
  const Bytes kv{policy.gpu_attention ? 4 * (load.prompt + load.generated / 2) * model.kv_hidden() * policy.batch()
                                      : 0};
  cost.transfer = (layer_experts(model) * (1 - policy.resident) + kv) / machine.link;
  if (policy.gpu_attention) {
    cost.gpu_attention = turns * attention(model, micro, context, machine.gpu, machine.gpu_bandwidth);
  } else {
    cost.cpu = turns * attention(model, micro, context, machine.cpu, machine.cpu_bandwidth);
  }
  cost.gpu_experts = turns * experts(model, micro, machine);
  cost.layer = std::max({cost.transfer, cost.cpu, cost.gpu_attention + cost.gpu_experts});
  cost.step = cost.layer * model.layers;
  cost.decode_rate = PerSecond{policy.batch() * load.generated / ((load.generated - 1) * cost.step.value)};
  cost.gpu_memory = gpu_peak(model, machine, load, policy);
  cost.cpu_memory = cpu_peak(model, machine, load, policy);
  // The best share fills a memory to the last byte, and rounding must not make it too full.
  const double room = 1 + 1e-12;
  cost.fits = cost.gpu_memory <= machine.gpu_memory * (machine.gpu_share * room) &&
              cost.cpu_memory <= machine.cpu_memory * (machine.cpu_share * room);
  return cost;
}

std::optional<Policy> with_best_share(const AlikeLayers& model, const Machine& machine, const Load& load,
                                      Policy policy) {
  policy.resident = 0;
  const Cost none = cost(model, machine, load, policy);
  policy.resident = 1;
  const Cost all = cost(model, machine, load, policy);
  // Shares that fit: each memory is linear in the share.
  double least = 0, most = 1;
  const auto keep = [&](Bytes at_none, Bytes at_all, Bytes room) {
    if (at_none > room && at_all > room) {
      most = -1;
    } else if (at_none > room) {
      least = std::max(least, (at_none - room) / (at_none - at_all));
    } else if (at_all > room) {
      most = std::min(most, (room - at_none) / (at_all - at_none));
    }
  };
  keep(none.gpu_memory, all.gpu_memory, machine.gpu_memory * machine.gpu_share);
  keep(none.cpu_memory, all.cpu_memory, machine.cpu_memory * machine.cpu_share);
  if (least > most) {
    return std::nullopt;
  }
  // Where the transfer falls to what does not depend on the share, more of it gains nothing.
  const Seconds other = std::max(none.cpu, none.gpu_attention + none.gpu_experts);
  double enough = 0;
  if (none.transfer > other) {
    enough = all.transfer >= other ? 1 : (none.transfer - other) / (none.transfer - all.transfer);
  }
  policy.resident = std::clamp(enough, least, most);
  return policy;
}

std::vector<std::int64_t> micro_batches_that_fit(const AlikeLayers& model, const Machine& machine, const Load& load,
                                                 bool gpu_attention, std::int64_t step) {
  MOESAIC_ASSERT(step > 0);
  std::vector<std::int64_t> micro_batches;
  for (std::int64_t micro = 1; micro <= kMostBatches; micro += micro < 4 ? 1 : step) {
    if (!with_best_share(model, machine, load,
                         {.micro_batch = micro, .micro_batches = 1, .resident = 0, .gpu_attention = gpu_attention})) {
      break;
    }
    micro_batches.push_back(micro);
  }
  return micro_batches;
}

std::optional<Choice> best_policy(const AlikeLayers& model, const Machine& machine, const Load& load,
                                  std::span<const std::int64_t> micro_batches, bool gpu_attention) {
  std::optional<Choice> best;
  for (const std::int64_t micro : micro_batches) {
    MOESAIC_ASSERT(micro > 0);
    for (std::int64_t turns = 1; turns <= kMostBatches; ++turns) {
      const auto policy = with_best_share(
          model, machine, load,
          {.micro_batch = micro, .micro_batches = turns, .resident = 0, .gpu_attention = gpu_attention});
      if (!policy) {  // more sequences need more of both memories
        break;
      }
      const Cost found = cost(model, machine, load, *policy);
      const double gain = best ? found.decode_rate / best->cost.decode_rate - 1 : 1;
      if (gain > kEqual || (gain > -kEqual && micro > best->policy.micro_batch)) {
        best = Choice{*policy, found};
      }
      if (found.layer <= std::max(found.cpu, found.gpu_attention + found.gpu_experts)) {
        break;  // these grow with the micro-batches: the rate stays, at best
      }
    }
  }
  return best;
}

}  // namespace moesaic::lightning
