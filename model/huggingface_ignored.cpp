#include <algorithm>

#include "model/huggingface_common.hpp"

namespace moesaic::huggingface {
namespace {

// Fields of any family that change no count of operators or bytes. Multi-token prediction layers
// (num_nextn_predict_layers) are left out of the architecture, as published parameter counts do.
constexpr std::string_view kHarmless[] = {
    // ours
    "source", "published",
    // identity
    "architectures", "model_type", "auto_map", "transformers_version", "tokenizer_class", "unsloth_version",
    "unsloth_fixed", "for_llm_compressor",
    // activation functions, norms, residuals
    "hidden_act", "hidden_activation", "activation_function", "rms_norm_eps", "layer_norm_eps", "layer_norm_epsilon",
    "layernorm_epsilon", "use_qk_norm", "norm_topk_prob", "swiglu_limit", "lm_head_bias",
    // rotary embedding and positions
    "rope_theta", "rope_scaling", "rope_parameters", "rope_interleave", "rope_type", "rotary_dim", "rotary_percent",
    "partial_rotary_factor", "original_max_position_embeddings", "initial_context_length", "use_mrope",
    // token ids
    "bos_token_id", "eos_token_id", "pad_token_id", "unk_token_id", "sep_token_id", "decoder_start_token_id",
    "forced_bos_token_id", "forced_eos_token_id", "bad_words_ids", "suppress_tokens", "begin_suppress_tokens",
    // training
    "attention_dropout", "hidden_dropout", "dropout", "activation_dropout", "resid_pdrop", "embd_pdrop", "emb_pdrop",
    "layerdrop", "initializer_range", "init_std", "pretraining_tp", "router_aux_loss_coef", "aux_loss_coef",
    "aux_loss_alpha", "seq_aux", "router_z_loss_coef", "router_jitter_noise", "input_jitter_noise",
    "output_router_logits", "gradient_checkpointing", "scoring_func", "routed_scaling_factor", "ep_size",
    "num_nextn_predict_layers", "num_mtp_modules",
    // generation and library defaults that old files carry
    "use_cache", "cache_implementation", "return_dict", "output_attentions", "output_hidden_states", "output_scores",
    "torchscript", "use_bfloat16", "pruned_heads", "is_decoder", "is_encoder_decoder", "add_cross_attention",
    "cross_attention_hidden_size", "tie_encoder_decoder", "max_length", "min_length", "do_sample", "early_stopping",
    "num_beams", "num_beam_groups", "diversity_penalty", "temperature", "top_k", "top_p", "typical_p",
    "repetition_penalty", "length_penalty", "no_repeat_ngram_size", "encoder_no_repeat_ngram_size",
    "num_return_sequences", "chunk_size_feed_forward", "return_dict_in_generate", "remove_invalid_values",
    "exponential_decay_length_penalty", "finetuning_task", "id2label", "label2id", "problem_type", "prefix",
    "task_specific_params", "tf_legacy_loss"};

}  // namespace

void ignore_harmless(const Config& config) {
  config.ignore(kHarmless);
  for (const std::string& key : config.keys()) {
    const std::string_view name = key;
    if (name.starts_with('_')) {  // the library's own notes, e.g. _name_or_path
      config.ignore({&name, 1});
    }
  }
}

}  // namespace moesaic::huggingface
