#include "sim/offload_shape.hpp"

#include <algorithm>
#include <variant>

namespace moesaic {
namespace {

constexpr std::array kOffloadNames = {"resident", "host-experts", "cheaper",     "balanced",
                                      "fetched",  "streamed",     "host-layers", "host"};
constexpr std::array kBuffers = {2, 4};
constexpr std::array kFractions = {1.0, 0.5, 0.0};
constexpr std::array kCaches = {CacheHome::device, CacheHome::host, CacheHome::copied, CacheHome::divided};
constexpr std::array kDense = {DenseHome::device, DenseHome::largest, DenseHome::streamed};

bool has_cache(const Architecture& architecture) {
  return std::any_of(architecture.kinds.begin(), architecture.kinds.end(),
                     [](const LayerKind& kind) { return kv_elements_per_token(kind.attention) > 0; });
}

}  // namespace

std::string_view to_text(OffloadKind kind) { return kOffloadNames[static_cast<std::size_t>(kind)]; }

std::vector<OffloadShape> list_offload_shapes(const Architecture& architecture, OffloadKind kind) {
  if (kind == OffloadKind::host) {
    return {{.kind = kind, .fraction = 0}};
  }
  if (kind == OffloadKind::host_layers) {
    return {{.kind = kind}, {.kind = kind, .fraction = 0.5}};
  }
  const bool experts = has_experts(architecture), streams = kind == OffloadKind::streamed;
  std::vector<OffloadShape> shapes;
  if (!experts && kind != OffloadKind::resident && !streams) {
    return shapes;
  }
  for (const CacheHome cache : kCaches) {
    if (cache != CacheHome::device && !has_cache(architecture)) {
      break;
    }
    if (kind == OffloadKind::resident) {
      shapes.push_back({.kind = kind, .cache = cache});
      continue;
    }
    for (const DenseHome dense : kDense) {
      for (const double fraction : kFractions) {
        for (const int buffers : kBuffers) {
          const bool buffered = streams || dense != DenseHome::device;
          if ((buffered || buffers == kBuffers[0]) && (experts || fraction == kFractions[0])) {
            shapes.push_back({kind, dense, cache, fraction, 1, buffers});
          }
        }
      }
    }
  }
  return shapes;
}

}  // namespace moesaic
