#include "model/mapping.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <vector>

#include "base/error.hpp"
#include "base/nearest.hpp"

namespace moesaic {
namespace {

constexpr int kMostDevices = 1 << 20;

int parse_degree(std::string_view key, std::string_view text) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || value < 1 || value > kMostDevices) {
    throw UserError(fmt::format("--map: {}={} is not a whole number from 1 to {}", key, printable(text), kMostDevices));
  }
  return value;
}

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

bool tensor_works(const Architecture& architecture, int tensor) {
  return std::all_of(architecture.kinds.begin(), architecture.kinds.end(), [&](const LayerKind& kind) {
    const Heads heads = heads_of(kind.attention);
    const auto* dense = std::get_if<DenseFeedForward>(&kind.feed_forward);
    return heads.query % tensor == 0 && (heads.kv % tensor == 0 || tensor % heads.kv == 0) &&
           (dense == nullptr || dense->width % tensor == 0);
  });
}

/// Shared experts are cut like attention, unless data parallelism gives every device all of them.
bool shared_works(const MoeFeedForward& moe, const Mapping& mapping) {
  return mapping.data > 1 || moe.shared_width % mapping.tensor == 0;
}

bool experts_work(const Architecture& architecture, const Mapping& mapping) {
  return mapping.devices() % mapping.expert == 0 &&
         std::all_of(architecture.kinds.begin(), architecture.kinds.end(), [&](const LayerKind& kind) {
           const auto* moe = std::get_if<MoeFeedForward>(&kind.feed_forward);
           return moe == nullptr || (moe->experts % mapping.expert == 0 && moe->width % mapping.expert_tensor() == 0 &&
                                     shared_works(*moe, mapping));
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
  const auto most = std::min<std::int64_t>(mapping.devices(), std::max<std::int64_t>(1, most_experts(architecture)));
  for (mapping.expert = static_cast<int>(most); mapping.expert >= 1; --mapping.expert) {
    if (experts_work(architecture, mapping)) {
      return mapping.expert;
    }
  }
  return std::nullopt;
}

/// "; the nearest that works is KEY=DEGREE", for messages; `none` where none does.
template <class Works>
std::string nearest_degree(std::string_view key, int wanted, int most, const std::string& none, Works works) {
  for (int distance = 1; distance <= std::max(wanted, most); ++distance) {
    for (const int candidate : {wanted - distance, wanted + distance}) {
      if (candidate >= 1 && candidate <= most && works(candidate)) {
        return fmt::format("; the nearest that works is {}={}", key, candidate);
      }
    }
  }
  return none;
}

std::string nearest_tensor(const Architecture& architecture, const Mapping& mapping, int devices) {
  return nearest_degree("tp", mapping.tensor, devices / mapping.data, "", [&](int tensor) {
    return tensor_works(architecture, tensor) && widest_expert(architecture, {tensor, mapping.data, 1});
  });
}

std::string nearest_expert(const Architecture& architecture, const Mapping& mapping) {
  const std::string none = fmt::format("; no ep works on {} devices", mapping.devices());
  return nearest_degree("ep", mapping.expert, mapping.devices(), none, [&](int expert) {
    return experts_work(architecture, {mapping.tensor, mapping.data, expert});
  });
}

}  // namespace

Mapping parse_mapping(std::string_view text, std::optional<int> devices) {
  const std::vector<std::string> keys = {"tp", "ep", "dp"};
  std::optional<int> tensor, expert, data;
  std::string_view rest = text;
  while (!rest.empty()) {
    const std::string_view item = rest.substr(0, rest.find(','));
    rest.remove_prefix(item.size() == rest.size() ? item.size() : item.size() + 1);
    const auto equals = item.find('=');
    const std::string_view key = item.substr(0, equals);
    std::optional<int>* slot = key == "tp" ? &tensor : key == "ep" ? &expert : key == "dp" ? &data : nullptr;
    if (slot == nullptr) {
      throw UserError(
          fmt::format("--map: unknown key '{}' in '{}'{}", printable(key), printable(text), suggest(key, keys)));
    }
    if (equals == std::string_view::npos) {
      throw UserError(fmt::format("--map: '{}' in '{}' has no value; write for example tp=8", key, printable(text)));
    }
    if (*slot) {
      throw UserError(fmt::format("--map: '{}' is given twice in '{}'", key, printable(text)));
    }
    *slot = parse_degree(key, item.substr(equals + 1));
  }
  Mapping mapping;
  mapping.data = data.value_or(1);
  if (tensor) {
    mapping.tensor = *tensor;
  } else if (devices && *devices % mapping.data == 0) {
    mapping.tensor = *devices / mapping.data;
  }
  mapping.expert = expert.value_or(1);
  const std::int64_t product = std::int64_t{mapping.tensor} * mapping.data;
  if (product > kMostDevices) {
    throw UserError(fmt::format("--map: {} maps {} devices; at most {} are allowed", text, product, kMostDevices));
  }
  if (devices && product != *devices) {
    throw UserError(fmt::format("--map: tp x dp = {} x {} = {} devices, but there are {}; for example tp={},dp={}",
                                mapping.tensor, mapping.data, product, *devices,
                                *devices % mapping.data == 0 ? *devices / mapping.data : *devices,
                                *devices % mapping.data == 0 ? mapping.data : 1));
  }
  if (mapping.devices() % mapping.expert != 0) {
    throw UserError(fmt::format("--map: ep={} does not divide the {} devices (tp x dp){}", mapping.expert, product,
                                nearest_degree("ep", mapping.expert, mapping.devices(), "",
                                               [&](int degree) { return mapping.devices() % degree == 0; })));
  }
  return mapping;
}

std::string to_text(const Mapping& mapping) {
  return fmt::format("tp={},ep={},dp={}", mapping.tensor, mapping.expert, mapping.data);
}

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
  if (mapping.expert > 1 && most_experts(architecture) == 0) {
    fail(fmt::format("ep={}: {} has no experts; use ep=1", mapping.expert, architecture.name));
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
    if (moe != nullptr && moe->experts % mapping.expert != 0) {
      fail(fmt::format("ep={} does not divide the {} experts of {}{}", mapping.expert, moe->experts, architecture.name,
                       nearest_expert(architecture, mapping)));
    }
    if (moe != nullptr && moe->width % mapping.expert_tensor() != 0) {
      fail(fmt::format("tp x dp / ep = {} ways do not divide the expert width {} of {}{}", mapping.expert_tensor(),
                       moe->width, architecture.name, nearest_expert(architecture, mapping)));
    }
  }
}

}  // namespace moesaic
