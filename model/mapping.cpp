#include "model/mapping.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.hpp"
#include "model/nearest_degree.hpp"

namespace moesaic {
namespace {

/// Heads that tensor parallelism must divide, and the KV heads that it must divide or be a multiple of.
struct Heads {
  std::int64_t query = 1;
  std::int64_t kv = 1;
};

Heads heads_of(const Attention& attention) {
  if (const auto* a = std::get_if<SoftmaxAttention>(&attention)) {
    const std::int64_t per_expert = a->experts > 0 ? a->heads / a->experts_per_token : a->heads;
    return {per_expert, a->kv_heads};
  }
  if (const auto* a = std::get_if<LatentAttention>(&attention)) {
    return {a->heads, a->heads};
  }
  if (const auto* a = std::get_if<LightningAttention>(&attention)) {
    return {a->heads, a->heads};
  }
  const auto& a = std::get<GatedDeltaNet>(attention);
  return {a.value_heads, a.key_heads};
}

}  // namespace

bool tensor_works(const Architecture& architecture, int tensor) {
  return std::all_of(architecture.kinds.begin(), architecture.kinds.end(), [&](const LayerKind& kind) {
    const Heads heads = heads_of(kind.attention);
    const auto* dense = std::get_if<DenseFeedForward>(&kind.feed_forward);
    return heads.query % tensor == 0 && (heads.kv % tensor == 0 || tensor % heads.kv == 0) &&
           (dense == nullptr || dense->width % tensor == 0);
  });
}

namespace {

/// Shared experts are cut like attention, unless every device has its own tokens and the whole of them.
bool shared_works(const MoeFeedForward& moe, const Mapping& mapping) {
  return (mapping.spreads_tokens() && !mapping.sequence) || moe.shared_width % mapping.tensor == 0;
}

bool experts_work(const Architecture& architecture, const Mapping& mapping) {
  return mapping.stage_devices() % (mapping.expert * std::max(1, mapping.expert_slices)) == 0 &&
         std::all_of(architecture.kinds.begin(), architecture.kinds.end(), [&](const LayerKind& kind) {
           const auto* moe = std::get_if<MoeFeedForward>(&kind.feed_forward);
           return moe == nullptr || ((moe->experts + mapping.redundant) % mapping.expert == 0 &&
                                     moe->width % mapping.expert_tensor() == 0 && shared_works(*moe, mapping));
         });
}

/// Most experts of any layer: 0 without a mixture of experts.
std::int64_t most_experts(const Architecture& architecture) {
  std::int64_t most = 0;
  for (const LayerKind& kind : architecture.kinds) {
    if (const auto* moe = std::get_if<MoeFeedForward>(&kind.feed_forward)) {
      most = std::max(most, moe->experts);
    }
  }
  return most;
}

/// The largest expert parallelism with which this attention mapping works, if any does.
std::optional<int> widest_expert(const Architecture& architecture, Mapping mapping) {
  const auto most =
      std::min<std::int64_t>(mapping.stage_devices(), std::max<std::int64_t>(1, most_experts(architecture)));
  for (mapping.expert = static_cast<int>(most); mapping.expert >= 1; --mapping.expert) {
    if (experts_work(architecture, mapping)) {
      return mapping.expert;
    }
  }
  return std::nullopt;
}

std::string nearest_tensor(const Architecture& architecture, const Mapping& mapping, int devices) {
  const int others = mapping.data * mapping.context * mapping.pipeline;
  return nearest_degree("tp", mapping.tensor, devices / others, "", [&](int tensor) {
    Mapping tried = mapping;
    tried.tensor = tensor;
    return tensor_works(architecture, tensor) && widest_expert(architecture, tried);
  });
}

std::string nearest_expert(const Architecture& architecture, const Mapping& mapping) {
  const std::string none = fmt::format("; no ep works on {} devices", mapping.stage_devices());
  return nearest_degree("ep", mapping.expert, mapping.stage_devices(), none, [&](int expert) {
    Mapping tried = mapping;
    tried.expert = expert;
    return experts_work(architecture, tried);
  });
}

}  // namespace

Mapping default_mapping(const Architecture& architecture, int devices) {
  const bool dense = most_experts(architecture) == 0;
  for (int tensor = devices; tensor >= 1; --tensor) {
    if (devices % tensor != 0 || !tensor_works(architecture, tensor)) {
      continue;
    }
    Mapping mapping{.tensor = tensor, .data = devices / tensor};
    if (!dense && mapping.data > 1) {
      mapping.expert = devices;
    }
    if (experts_work(architecture, mapping)) {
      return mapping;
    }
    if (const auto expert = widest_expert(architecture, mapping)) {
      mapping.expert = *expert;
      return mapping;
    }
  }
  return {.tensor = devices};
}

void check_mapping(const Architecture& architecture, const Mapping& mapping, const Machine& machine) {
  const auto fail = [&](const std::string& message) { throw UserError("--map: " + message); };
  const int devices = machine.total_devices();
  if (mapping.devices() > devices) {
    fail(fmt::format("{} needs {} devices, but {} has {}", to_text(mapping), mapping.devices(), machine.name, devices));
  }
  const auto layers = static_cast<int>(architecture.layer_count());
  if (mapping.pipeline * mapping.virtual_stages > layers) {
    fail(mapping.virtual_stages == 1
             ? fmt::format("pp={} is more than the {} layers of {}; at most pp={} works", mapping.pipeline, layers,
                           architecture.name, layers)
             : fmt::format("pp x vpp = {} x {} is more than the {} layers of {}; at most vpp={} works with pp={}",
                           mapping.pipeline, mapping.virtual_stages, layers, architecture.name,
                           std::max(1, layers / mapping.pipeline), std::min(mapping.pipeline, layers)));
  }
  if ((mapping.expert > 1 || mapping.redundant > 0) && most_experts(architecture) == 0) {
    fail(mapping.expert > 1 ? fmt::format("ep={}: {} has no experts; use ep=1", mapping.expert, architecture.name)
                            : fmt::format("red={}: {} has no experts", mapping.redundant, architecture.name));
  }
  for (const LayerKind& kind : architecture.kinds) {
    const auto* dense = std::get_if<DenseFeedForward>(&kind.feed_forward);
    const auto* moe = std::get_if<MoeFeedForward>(&kind.feed_forward);
    const Heads heads = heads_of(kind.attention);
    if (heads.query % mapping.tensor != 0 || (heads.kv % mapping.tensor != 0 && mapping.tensor % heads.kv != 0)) {
      fail(fmt::format("tp={} does not divide the {} query heads and {} KV heads of {}{}", mapping.tensor, heads.query,
                       heads.kv, architecture.name, nearest_tensor(architecture, mapping, devices)));
    }
    if (dense != nullptr && dense->width % mapping.tensor != 0) {
      fail(fmt::format("tp={} does not divide the feed-forward width {} of {}{}", mapping.tensor, dense->width,
                       architecture.name, nearest_tensor(architecture, mapping, devices)));
    }
    if (moe != nullptr && !shared_works(*moe, mapping)) {
      fail(fmt::format("tp={} does not divide the shared expert's width {} of {}{}", mapping.tensor, moe->shared_width,
                       architecture.name, nearest_tensor(architecture, mapping, devices)));
    }
    if (moe != nullptr && (moe->experts + mapping.redundant) % mapping.expert != 0) {
      const std::int64_t rest = mapping.expert - moe->experts % mapping.expert;
      fail(fmt::format("ep={} does not divide the {} experts{} of {}{}{}", mapping.expert, moe->experts,
                       mapping.redundant > 0 ? fmt::format(" and {} redundant ones", mapping.redundant) : "",
                       architecture.name, nearest_expert(architecture, mapping),
                       moe->experts % mapping.expert > 0 && rest <= moe->experts
                           ? fmt::format("; red={} redundant experts would fill them", rest)
                           : ""));
    }
    if (moe != nullptr && mapping.redundant > moe->experts) {
      fail(fmt::format("red={} is more than the {} experts of {}", mapping.redundant, moe->experts, architecture.name));
    }
    if (moe != nullptr && moe->width % mapping.expert_tensor() != 0) {
      fail(fmt::format("{} = {} ways do not divide the expert width {} of {}{}",
                       mapping.expert_slices > 0 ? "etp" : "tp x dp / ep", mapping.expert_tensor(), moe->width,
                       architecture.name, nearest_expert(architecture, mapping)));
    }
  }
}

bool mapping_works(const Architecture& architecture, const Mapping& mapping, const Machine& machine) {
  return mapping.devices() <= machine.total_devices() &&
         std::int64_t{mapping.pipeline} * mapping.virtual_stages <= architecture.layer_count() &&
         (mapping.expert == 1 || most_experts(architecture) > 0) && tensor_works(architecture, mapping.tensor) &&
         experts_work(architecture, mapping);
}

}  // namespace moesaic
