// Private to the readers of Hugging Face configurations: what families share. A family is one function; see the table
// of its group (huggingface_dense.cpp, _moe.cpp, _hybrid.cpp, _own_names.cpp).
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/config.hpp"
#include "model/architecture.hpp"

namespace moesaic::huggingface {

/// One family of networks. `read` fills everything but name, precision and blocks, and marks every key that it knows.
struct Family {
  std::string_view model_type;
  Architecture (*read)(const Config& config);
  std::string_view marker = {};  ///< a key of this family alone, for configurations without model_type
};
std::span<const Family> dense_families();
std::span<const Family> moe_families();
std::span<const Family> hybrid_families();
std::span<const Family> own_name_families();

// Bounds keep every product of two dimensions in 64 bits and every allocation small.
inline constexpr std::int64_t kMostLayers = 10'000;
inline constexpr std::int64_t kMostWidth = std::int64_t{1} << 24;   ///< hidden size and feed-forward widths
inline constexpr std::int64_t kMostHeads = std::int64_t{1} << 16;   ///< heads, elements of a head, experts
inline constexpr std::int64_t kMostTokens = std::int64_t{1} << 40;  ///< positions and windows

/// A required integer from 1 to `most`.
std::int64_t bounded(const Config& config, std::string_view key, std::int64_t most);
/// The same, with a fallback if absent or null.
std::int64_t bounded_or(const Config& config, std::string_view key, std::int64_t most, std::int64_t fallback);
/// An integer from 0 to `most`, 0 if absent or null.
std::int64_t bounded_or_zero(const Config& config, std::string_view key, std::int64_t most);
/// The first of these keys that is there; the error names the first one.
std::string_view present(const Config& config, std::initializer_list<std::string_view> keys);

/// Names under which a family writes the general sizes.
struct Names {
  std::string_view hidden = "hidden_size";
  std::string_view positions = "max_position_embeddings";
  std::string_view vocabulary = "vocab_size";
};
/// An architecture without layers. `tied` is the family's default for tie_word_embeddings.
Architecture begin(const Config& config, bool tied, const Names& names = {});
/// num_hidden_layers.
std::int64_t read_layer_count(const Config& config);
/// Appends a layer; equal kinds are stored once.
void add_layer(Architecture& architecture, const LayerKind& kind);

/// Which projections of attention have a bias; biases change no count but kernels see them.
struct Bias {
  bool projections = false;
  bool output = false;
};
/// Attention from num_attention_heads, num_key_value_heads and head_dim.
SoftmaxAttention read_softmax(const Config& config, std::int64_t hidden, Bias bias);
/// Checks a head count that must be a multiple of another.
void require_multiple(const Config& config, std::string_view key, std::int64_t value, std::int64_t divisor,
                      std::string_view divisor_key);

/// A width that is a product of two values; fails at `key` if it is over kMostWidth.
std::int64_t width_product(const Config& config, std::string_view key, std::int64_t a, std::int64_t b);
/// Experts, their width and how many a token uses, under the given names.
MoeFeedForward read_experts(const Config& config, std::string_view experts, std::string_view per_token,
                            std::string_view width);

/// The entries of "layer_types", one a layer, each from `allowed`; none if the key is absent or null.
std::optional<std::vector<std::string>> read_layer_types(const Config& config, std::int64_t layers,
                                                         std::span<const std::string_view> allowed);
/// One flag a layer from a list of 0 and 1 (or booleans).
std::vector<bool> read_layer_flags(const Config& list, std::int64_t layers);
/// One flag a layer from a list of layer numbers.
std::vector<bool> read_layer_numbers(const Config& list, std::int64_t layers);

/// The window of every layer of a Qwen network (0: all tokens): use_sliding_window, sliding_window, and which layers:
/// layer_types, else those from max_window_layers on.
std::vector<std::int64_t> read_qwen_windows(const Config& config, std::int64_t layers);

/// The feed-forward of every layer of a Qwen mixture: mlp_only_layers and decoder_sparse_step choose the dense ones.
std::vector<FeedForward> read_qwen_feed_forwards(const Config& config, std::int64_t layers);

/// Marks what never changes the cost: rotary embedding, norms, token ids, dropout, training and generation settings.
void ignore_harmless(const Config& config);

/// Storage and arithmetic from torch_dtype or dtype (of `text`) and quantization_config (of `config`).
Precision read_precision(const Config& config, const Config& text, std::int64_t layers);

}  // namespace moesaic::huggingface
