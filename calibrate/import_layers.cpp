#include "calibrate/import_layers.hpp"

#include <algorithm>
#include <utility>

namespace moesaic {
namespace {

struct NamedModel {
  std::string_view name;
  LayerDimensions dimensions;
};
// hidden_size, num_attention_heads, num_key_value_heads, head_dim, intermediate_size (0 where the layers are experts),
// vocab_size.
constexpr NamedModel kModels[] = {
    {"Llama-3.1-8B", {4096, 32, 8, 128, 14336, 128256}},
    {"Llama-3.1-70B", {8192, 64, 8, 128, 28672, 128256}},
    {"Qwen3-30B-A3B-Instruct-2507", {2048, 32, 4, 128, 0, 151936}},
    {"Mixtral-8x7B-v0.1", {4096, 32, 8, 128, 0, 32000}},
};

}  // namespace

const LayerDimensions* layer_dimensions(std::string_view model) {
  const auto* found =
      std::find_if(std::begin(kModels), std::end(kModels), [&](const auto& m) { return m.name == model; });
  return found == std::end(kModels) ? nullptr : &found->dimensions;
}

std::optional<LayerKernel> layer_kernel(std::string_view name, const LayerDimensions& model, double tokens,
                                        double tensor_parallel) {
  const double query = model.heads * model.head_dim / tensor_parallel;
  const double key = std::max(model.kv_heads / tensor_parallel, std::min(model.kv_heads, 1.0)) * model.head_dim;
  const double inter = model.inter / tensor_parallel;
  const double hidden = model.hidden;
  const double vocabulary = model.vocabulary / tensor_parallel;
  const struct {
    std::string_view name;
    double n, k;
  } products[] = {
      {"attn_pre_proj", query + 2 * key, hidden},
      {"qkv_proj", query + 2 * key, hidden},
      {"q_proj", query, hidden},
      {"k_proj", key, hidden},
      {"v_proj", key, hidden},
      {"attn_post_proj", hidden, query},
      {"o_proj", hidden, query},
      {"mlp_up_proj", model.up_matrices * inter, hidden},
      {"gate_up_proj", 2 * inter, hidden},
      {"gate_proj", inter, hidden},
      {"up_proj", inter, hidden},
      {"mlp_down_proj", hidden, inter},
      {"down_proj", hidden, inter},
      {"lm_head", vocabulary, hidden},
  };
  for (const auto& product : products) {
    if (product.name == name && product.n > 0 && product.k > 0) {
      return LayerKernel{Family::gemm, product.name, {product.n, product.k, tokens}};
    }
  }
  const struct {
    std::string_view name, kernel;
    double width;
  } works[] = {
      {"emb", "embedding", hidden},
      {"embedding", "embedding", hidden},
      {"input_layernorm", "norm", hidden},
      {"post_attention_layernorm", "norm", hidden},
      {"post_layernorm", "norm", hidden},
      {"layernorm", "norm", hidden},
      {"final_layernorm", "norm", hidden},
      {"qk_norm", "norm", query + key},
      {"attn_rope", "rotary", query + key},
      {"rotary_emb", "rotary", query + key},
      {"rope", "rotary", query + key},
      {"mlp_act", "activation", inter},
      {"act_fn", "activation", inter},
      {"add", "residual", hidden},
      {"sampler", "sampling", model.vocabulary},
  };
  for (const auto& work : works) {
    if (work.name == name && work.width > 0) {
      return LayerKernel{Family::elementwise, work.kernel, {work.width, tokens}};
    }
  }
  return {};
}

}  // namespace moesaic
