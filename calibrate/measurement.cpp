#include "calibrate/measurement.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.hpp"
#include "base/nearest.hpp"

namespace moesaic {
namespace {

using Names = std::string_view;

// What a split leaves out together stands first.
constexpr Names kGemm[] = {"n", "k", "m"};
constexpr Names kPrefill[] = {"num_q_heads", "num_kv_heads", "head_dim", "batch", "seq_len", "prefix_len", "window"};
constexpr Names kDecode[] = {"num_q_heads", "num_kv_heads", "head_dim", "batch", "kv_len", "window"};
constexpr Names kLatentPrefill[] = {"heads", "batch", "seq_len", "prefix_len"};
constexpr Names kLatentDecode[] = {"heads", "batch", "kv_len"};
constexpr Names kLatentProduct[] = {"heads", "num_tokens"};
constexpr Names kMoe[] = {"hidden", "inter",  "topk", "num_experts", "matrices",
                          "moe_tp", "moe_ep", "skew", "num_tokens"};
constexpr Names kWideMoe[] = {
    "hidden", "inter", "topk", "num_experts", "num_slots", "moe_ep", "skew", "balanced_by_copies", "num_tokens"};
constexpr Names kCollective[] = {"message_bytes", "num_gpus", "gpus_per_node"};
constexpr Names kExchange[] = {"hidden", "topk", "num_experts", "num_gpus", "num_nodes", "num_sms", "tokens_per_rank"};
constexpr Names kQuantize[] = {"k", "m"};
constexpr Names kElementwise[] = {"width", "num_tokens"};

constexpr FamilyDescription kFamilies[kFamilyCount] = {
    {"gemm", "matrix product", kGemm, 2},
    {"attention_prefill", "prefill attention", kPrefill, 3},
    {"attention_decode", "decode attention", kDecode, 3},
    {"mla_prefill", "latent attention, prefill kernel", kLatentPrefill, 1},
    {"mla_decode", "latent attention, decode kernel", kLatentDecode, 1},
    {"mla_prefill_module", "latent attention layer, prefill", kLatentPrefill, 1},
    {"mla_decode_module", "latent attention layer, decode", kLatentDecode, 1},
    {"mla_bmm", "absorbing products of latent attention", kLatentProduct, 1},
    {"moe", "fused routed experts", kMoe, 4},
    {"wide_ep_moe", "routed experts of a wide expert-parallel group", kWideMoe, 4},
    {"collective", "collective", kCollective, 1},
    {"expert_exchange", "dispatch and combine", kExchange, 3},
    {"quantize", "quantisation of activations", kQuantize, 1},
    {"elementwise", "element-wise work", kElementwise, 1},
};

std::string columns_text(const Measurement& row, Family family, std::size_t count) {
  const FamilyDescription& description = describe(family);
  std::string text;
  for (std::size_t i = 0; i < count; ++i) {
    text += fmt::format("{}{}={}", i == 0 ? "" : " ", description.shape[i], row.shape[i]);
  }
  return text;
}

}  // namespace

const FamilyDescription& describe(Family family) { return kFamilies[static_cast<std::size_t>(family)]; }

std::string_view name(Family family) { return describe(family).name; }

Family parse_family(std::string_view text) {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < kFamilyCount; ++i) {
    if (kFamilies[i].name == text) {
      return static_cast<Family>(i);
    }
    names.emplace_back(kFamilies[i].name);
  }
  throw UserError(fmt::format("unknown operator '{}'{}", printable(text), suggest(text, names)));
}

std::uint32_t Measurements::key_index(const MeasurementKey& key) {
  const auto found = std::find(keys.rbegin(), keys.rend(), key);
  if (found != keys.rend()) {
    return static_cast<std::uint32_t>(keys.rend() - found - 1);
  }
  keys.push_back(key);
  return static_cast<std::uint32_t>(keys.size() - 1);
}

void Measurements::append(const Measurements& other) {
  std::vector<std::uint32_t> to;
  for (const MeasurementKey& key : other.keys) {
    to.push_back(key_index(key));
  }
  const auto first_file = static_cast<std::uint32_t>(files.size());
  files.insert(files.end(), other.files.begin(), other.files.end());
  rows.reserve(rows.size() + other.rows.size());
  for (Measurement row : other.rows) {
    row.key = to[row.key];
    row.file += first_file;
    rows.push_back(row);
  }
}

std::string whole_shape(const Measurement& row, Family family) {
  return columns_text(row, family, describe(family).whole);
}

std::string shape_text(const Measurement& row, Family family) {
  return columns_text(row, family, describe(family).shape.size());
}

}  // namespace moesaic
