// A model whose layers are all alike, as the closed forms of offloading systems take it.
#pragma once

#include "base/quantity.hpp"
#include "model/architecture.hpp"

namespace moesaic {

/// Counts and widths of softmax attention and of experts; a dense feed-forward layer is one expert that all tokens use.
struct AlikeLayers {
  double layers = 0;
  double hidden = 0;
  double heads = 0;
  double kv_heads = 0;
  double head_dim = 0;
  double width = 0;    ///< of one expert
  double experts = 1;  ///< of a layer
  double experts_per_token = 1;
  double matrices = 3;  ///< of one expert: 3 if gated, else 2

  double kv_hidden() const { return kv_heads * head_dim; }
  double queries_per_kv_head() const { return heads / kv_heads; }
  /// 16-bit weights of one expert.
  Bytes expert_bytes() const { return {2 * matrices * hidden * width}; }
  /// Keys and values of a token in all layers, 16 bits an element.
  Bytes kv_bytes_per_token() const { return {4 * layers * kv_hidden()}; }
};

/// Throws UserError naming what the closed forms do not cover: layers that differ, attention other than softmax, shared
/// experts.
AlikeLayers alike_layers(const Architecture& architecture);

}  // namespace moesaic
