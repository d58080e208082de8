#include "model/huggingface_quantization.hpp"

#include "model/huggingface_common.hpp"

namespace moesaic::huggingface {
namespace {

constexpr std::int64_t kMostGroup = 65536;

constexpr std::string_view kIntegerTools[] = {
    // how the tools found the weights, and how they pack them
    "desc_act", "sym", "zero_point", "damp_percent", "static_groups", "true_sequential", "version", "backend",
    "checkpoint_format", "pack_dtype", "pack_impl", "meta", "dataset", "tokenizer", "model_seqlen", "batch_size",
    "pad_token_id", "modules_in_block_to_quantize", "block_name_to_quantize", "module_name_preceding_first_block",
    "cache_block_outputs", "max_input_length", "model_name_or_path", "model_file_base_name", "lm_head",
    // how a runtime runs them
    "do_fuse", "fuse_max_seq_len", "modules_to_fuse", "exllama_config", "use_exllama", "disable_exllama",
    "use_cuda_fp16", "is_marlin_format"};

constexpr std::string_view kBitsAndBytes[] = {
    // of the library
    "bnb_4bit_compute_dtype",   "bnb_4bit_quant_storage", "bnb_4bit_quant_type", "llm_int8_enable_fp32_cpu_offload",
    "llm_int8_has_fp16_weight", "llm_int8_threshold",     "_load_in_4bit",       "_load_in_8bit"};

}  // namespace

void apply(Precision& precision, const Parts& parts, const Format& format) {
  const auto set = [&](bool covered, StorageType& storage, DType& arithmetic) {
    if (covered) {
      storage = format.storage;
      arithmetic = format.arithmetic;
    }
  };
  set(parts.attention, precision.attention_weights, precision.attention_arithmetic);
  set(parts.dense, precision.dense_weights, precision.dense_arithmetic);
  set(parts.experts, precision.expert_weights, precision.expert_arithmetic);
  set(parts.embedding, precision.embedding_weights, precision.embedding_arithmetic);
}

Parts converted(const Config& quantization, std::initializer_list<std::string_view> keys, std::int64_t layers) {
  std::vector<Config> names;
  for (const std::string_view key : keys) {
    if (const auto list = quantization.find(key)) {
      const std::vector<Config> more = list->elements();
      names.insert(names.end(), more.begin(), more.end());
    }
  }
  const Parts kept = covered_parts(names, layers);
  return {!kept.attention, !kept.dense, !kept.experts, false};
}

double grouped_bits(double bits, double scale_bits, std::int64_t group) {
  return group > 0 ? bits + scale_bits / static_cast<double>(group) : bits;
}

std::int64_t read_group(const Config& config, std::string_view key, std::int64_t fallback) {
  const auto value = config.find(key);
  return !value ? fallback : value->integer() == -1 ? 0 : bounded(config, key, kMostGroup);
}

DType integer_type(std::int64_t bits) { return bits <= 4 ? DType::int4 : DType::int8; }

double block_scale_bits(const Config& block) {
  const std::vector<Config> sides = block.elements();
  if (sides.size() != 2) {
    block.fail("expected the two sides of a block, for example [128, 128]");
  }
  return 32 / (static_cast<double>(sides[0].positive()) * static_cast<double>(sides[1].positive()));
}

void read_fp8(const Config& quantization, std::int64_t layers, Precision& precision) {
  constexpr std::string_view kIgnored[] = {"activation_scheme", "fmt", "scale_fmt", "activation_scale_ub"};
  quantization.ignore(kIgnored);
  StorageType storage{DType::fp8, 8};
  if (const auto block = quantization.find("weight_block_size")) {
    storage.bits += block_scale_bits(*block);
  }
  apply(precision, converted(quantization, {"modules_to_not_convert", "ignored_layers", "ignore"}, layers),
        {storage, DType::fp8});
}

// Expert weights of 4.25 bits; products in the base format after expansion.
void read_mxfp4(const Config& quantization, std::int64_t layers, Precision& precision) {
  const Parts parts = converted(quantization, {"modules_to_not_convert"}, layers);
  apply(precision, {false, false, parts.experts, false}, {parse_storage_type("mxfp4"), precision.activations.dtype});
}

// GPTQ and AWQ: integer weights, a 16-bit scale and a zero point of the weights' size a group.
void read_integers(const Config& quantization, std::int64_t layers, Precision& precision) {
  quantization.ignore(kIntegerTools);
  const std::int64_t bits = bounded(quantization, present(quantization, {"bits", "w_bit"}), 8);
  const std::int64_t group = read_group(quantization, present(quantization, {"group_size", "q_group_size"}), 128);
  const double stored = grouped_bits(static_cast<double>(bits), 16 + static_cast<double>(bits), group);
  apply(precision, converted(quantization, {"modules_to_not_convert"}, layers),
        {{integer_type(bits), stored}, precision.activations.dtype});
}

void read_bitsandbytes(const Config& quantization, std::int64_t layers, Precision& precision) {
  quantization.ignore(kBitsAndBytes);
  const Parts parts = converted(quantization, {"llm_int8_skip_modules"}, layers);
  const bool eight = quantization.boolean_or("load_in_8bit", false);
  if (!quantization.boolean_or("load_in_4bit", false)) {
    apply(precision, eight ? parts : Parts{}, {{DType::int8, 8}, DType::int8});
    return;
  }
  // A 32-bit scale for 64 elements; stored twice quantized, 8 bits and a 32-bit scale for 256 of them.
  const bool twice = quantization.boolean_or("bnb_4bit_use_double_quant", false);
  const double bits = 4 + (twice ? 8.0 / 64 + 32.0 / (64 * 256) : 32.0 / 64);
  apply(precision, parts, {{DType::int4, bits}, precision.activations.dtype});
}

}  // namespace moesaic::huggingface
