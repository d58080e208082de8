// A network: what is computed for a token, layer by layer. Read from a Hugging Face config.json as it is.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/config.hpp"
#include "base/dtype.hpp"
#include "model/attention.hpp"
#include "model/feed_forward.hpp"

namespace moesaic {

struct LayerKind {
  Attention attention;
  FeedForward feed_forward;
  bool operator==(const LayerKind&) const = default;
};

/// Consecutive layers that repeat: `kinds` in order, `repeats` times.
struct LayerBlock {
  std::vector<int> kinds;
  std::int64_t repeats = 1;
};

/// How the tensors of a checkpoint are stored, by class, and the format that its matrix products run in.
struct Precision {
  StorageType attention_weights;  ///< projections of attention
  StorageType dense_weights;      ///< dense feed-forward and shared experts
  StorageType expert_weights;     ///< routed experts
  StorageType embedding_weights;  ///< input table and lm_head
  StorageType router_weights;     ///< routers, small gates and convolutions
  StorageType activations;
  StorageType kv;
  StorageType state{DType::fp32, 32};  ///< recurrent state of linear attention
  /// Keys of a token indexer: 128 fp8 elements share a 32-bit scale (DeepSeek-V3.2-Exp, inference/kernel.py).
  StorageType index_keys{DType::fp8, 8.25};
  DType attention_arithmetic = DType::bf16;  ///< matrix products of attention projections
  DType dense_arithmetic = DType::bf16;
  DType expert_arithmetic = DType::bf16;
  DType embedding_arithmetic = DType::bf16;
  DType score_arithmetic = DType::bf16;  ///< scores and values of attention
  bool operator==(const Precision&) const = default;
};

struct Architecture {
  std::string name;
  std::int64_t hidden = 0;
  std::int64_t vocabulary = 0;
  bool tied_embeddings = false;        ///< lm_head shares the input table
  std::int64_t learned_positions = 0;  ///< rows of a learned position table (OPT); 0: none
  std::int64_t max_context = 0;        ///< positions the model was made for; 0: not stated
  std::vector<LayerKind> kinds;        ///< the distinct layers
  std::vector<int> layers;             ///< the kind of every layer, in order
  std::vector<LayerBlock> blocks;      ///< `layers`, folded into repeating blocks
  Precision precision;                 ///< as the checkpoint is stored

  const LayerKind& layer(std::size_t index) const { return kinds[static_cast<std::size_t>(layers[index])]; }
  std::int64_t layer_count() const { return static_cast<std::int64_t>(layers.size()); }
  /// Layers of one kind.
  std::int64_t count_of_kind(int kind) const;
};

/// Whether any layer routes its tokens to experts.
bool has_experts(const Architecture& architecture);

/// Reads a Hugging Face config.json. A field that changes the cost and is not understood is a UserError naming it, and
/// so is an unknown model_type (the nearest is named).
Architecture read_architecture(const Config& config);

/// A shipped preset by name or unambiguous part of its name, or a config.json by path.
Config load_model_config(const std::string& name_or_file);

/// Folds a layer sequence into repeating blocks: the fewest kinds written down, order kept.
std::vector<LayerBlock> fold_layers(const std::vector<int>& layers);

struct ParameterCount {
  double total = 0;          ///< weight matrices; norms and biases left out
  double active = 0;         ///< used by one token, both embedding tables included
  double active_matmul = 0;  ///< used by one token in matrix products: without the input table
  double embedding = 0;      ///< input table (and lm_head unless tied)
  double experts = 0;        ///< routed experts
};
ParameterCount count_parameters(const Architecture& architecture);

/// Cached elements of one token over all layers, windows ignored (the usual published figure).
double kv_elements_per_token(const Architecture& architecture);
/// Cached bytes of one sequence of `context` tokens, windows applied, recurrent state included.
Bytes cache_bytes(const Architecture& architecture, const Precision& precision, double context);
/// Bytes of all weights as stored.
Bytes weight_bytes(const Architecture& architecture, const Precision& precision);

}  // namespace moesaic
