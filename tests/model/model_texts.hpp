// Models for tests: the shipped ones, and small Hugging Face configurations.
#pragma once

#include <string>

#include "model/architecture.hpp"

namespace moesaic {

/// A shipped model by part of its name.
inline Architecture preset(const std::string& name) { return read_architecture(load_model_config(name)); }

/// Reads a configuration as if from configs/org--model.json.
inline Architecture read_model(const std::string& text) {
  return read_architecture(Config::parse(text, "configs/org--model.json"));
}

/// A small network of a family: the fields that all share, and `more`.
inline std::string tiny_model(const std::string& type, const std::string& more) {
  return R"({"model_type": ")" + type +
         R"(", "hidden_size": 64, "num_hidden_layers": 4, "num_attention_heads": 4, "num_key_value_heads": 2,
             "intermediate_size": 128, "vocab_size": 100)" +
         (more.empty() ? "" : ", ") + more + "}";
}

// Fields of small mixtures, under the names of Qwen, Mixtral and DeepSeek.
inline const std::string kExperts = R"("num_experts": 8, "num_experts_per_tok": 2, "moe_intermediate_size": 32)";
inline const std::string kLocalExperts = R"("num_local_experts": 8, "num_experts_per_tok": 2)";
inline const std::string kLatent = R"("q_lora_rank": 16, "kv_lora_rank": 8, "qk_nope_head_dim": 16,
    "qk_rope_head_dim": 8, "v_head_dim": 16, "n_routed_experts": 8, "num_experts_per_tok": 2,
    "moe_intermediate_size": 32)";

}  // namespace moesaic
