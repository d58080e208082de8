#include "model/offload/alike_layers.hpp"

#include <fmt/format.h>

#include "base/error.hpp"

namespace moesaic {
namespace {

[[noreturn]] void not_covered(const Architecture& architecture, const char* what) {
  throw UserError(
      fmt::format("model {}: {}; closed forms are of models whose layers are all alike, with softmax attention and "
                  "without shared experts (Mixtral, DBRX, OPT)",
                  printable(architecture.name), what));
}

}  // namespace

AlikeLayers alike_layers(const Architecture& architecture) {
  if (architecture.kinds.size() != 1) {
    not_covered(architecture, "its layers differ");
  }
  const LayerKind& layer = architecture.kinds.front();
  const auto* attention = std::get_if<SoftmaxAttention>(&layer.attention);
  if (attention == nullptr || attention->experts > 0 || attention->qk_dim != attention->v_dim) {
    not_covered(architecture, "its attention is not plain softmax attention");
  }
  AlikeLayers alike{.layers = static_cast<double>(architecture.layer_count()),
                    .hidden = static_cast<double>(architecture.hidden),
                    .heads = static_cast<double>(attention->heads),
                    .kv_heads = static_cast<double>(attention->kv_heads),
                    .head_dim = static_cast<double>(attention->qk_dim)};
  if (const auto* moe = std::get_if<MoeFeedForward>(&layer.feed_forward)) {
    if (moe->shared_width > 0) {
      not_covered(architecture, "it has shared experts");
    }
    alike.width = static_cast<double>(moe->width);
    alike.experts = static_cast<double>(moe->experts);
    alike.experts_per_token = static_cast<double>(moe->experts_per_token);
    alike.matrices = moe->matrices;
  } else {
    const auto& dense = std::get<DenseFeedForward>(layer.feed_forward);
    alike.width = static_cast<double>(dense.width);
    alike.matrices = dense.matrices;
  }
  return alike;
}

}  // namespace moesaic
