// The text tables of ai-dynamo/aiconfigurator as it published them: comma-separated, one folder a system, engine and
// version; milliseconds. Columns by the loaders of its performance database.
#include <utility>

#include "calibrate/import.hpp"
#include "calibrate/import_names.hpp"
#include "calibrate/import_table.hpp"

namespace moesaic {
namespace {

using Texts = std::span<const std::string_view>;
using Described = std::pair<Family, TableDescription>;

// Key columns, in this order in every description; further ones follow.
enum : std::size_t { kDevice, kFramework, kEngineVersion, kOperation, kKernel, kDtype, kCache, kGemmDtype };

/// These tables write "float16" for 16 bits; what ran was bfloat16, and newer tables say so.
std::string_view sixteen_bits(std::string_view dtype) { return dtype == "float16" ? "bfloat16" : dtype; }

MeasurementKey key(Family family, Texts t, std::string_view dtype, std::string_view kv_dtype, std::string kernel) {
  return {family,
          device_name(t[kDevice]),
          stack_name(t[kFramework], t[kEngineVersion]),
          dtype_name(sixteen_bits(dtype)),
          dtype_name(sixteen_bits(kv_dtype)),
          std::move(kernel)};
}

bool has(std::string_view text, std::string_view part) { return text.find(part) != text.npos; }
/// Rows of other operators have the same columns: sparse attention, layers that are measured as one.
bool is_kernel(Texts t, std::string_view kind, std::string_view phase) {
  return has(t[kOperation], kind) && has(t[kOperation], phase) && !has(t[kOperation], "module") &&
         !has(t[kOperation], "fused");
}
bool not_prefill(Texts t) { return !is_kernel(t, "attention", "context"); }
bool not_decode(Texts t) { return !is_kernel(t, "attention", "generation"); }
bool not_latent_prefill(Texts t) { return !is_kernel(t, "mla", "context"); }
bool not_latent_decode(Texts t) { return !is_kernel(t, "mla", "generation"); }
bool is_wide(Texts t) { return t[kKernel] == "deepepmoe"; }

template <Family family>
MeasurementKey attention_key(Texts t) {
  return key(family, t, t[kDtype], t[kCache], std::string(t[kKernel]));
}
template <Family family>
MeasurementKey module_key(Texts t) {
  const std::string dtype = dtype_name(sixteen_bits(t[kDtype]));
  std::string kernel(t[kKernel]);
  if (dtype != "bf16") {
    kernel += "/q-" + dtype;
  }
  return key(family, t, t[kGemmDtype], t[kCache], std::move(kernel));
}

/// Messages are counted in elements there.
void in_bytes(const MeasurementKey& key, ShapeValues& shape) {
  const bool one_byte = key.dtype == "int8" || key.dtype.starts_with("fp8");
  shape = {shape[0] * (one_byte ? 1 : 2), shape[1], shape[1]};
}

TableDescription milliseconds(std::vector<std::string_view> more_keys, MeasurementKey (*make_key)(Texts),
                              std::vector<ShapeSource> shape) {
  TableDescription description;
  description.key_columns = {"device", "framework", "version", "op_name", "kernel_source"};
  description.key_columns.insert(description.key_columns.end(), more_keys.begin(), more_keys.end());
  description.key = make_key;
  description.shape = std::move(shape);
  description.latency = "latency";
  description.latency_exponent = -3;
  return description;
}

std::vector<Described> describe_tables() {
  std::vector<Described> all;
  const auto add = [&](Family family, TableDescription description, bool (*skip)(Texts) = nullptr,
                       void (*complete)(const MeasurementKey&, ShapeValues&) = nullptr) {
    description.skip = skip;
    description.complete = complete;
    all.emplace_back(family, std::move(description));
  };
  const ShapeSource heads{"heads", "num_heads"};
  const ShapeSource batch{"batch", "batch_size"};
  const ShapeSource prefix{"prefix_len", "step"};
  const ShapeSource attended{"kv_len", "isl", 0, nullptr, "step"};
  const std::vector<ShapeSource> latent_prefill = {heads, batch, {"seq_len", "isl"}, prefix};
  // Modules first: their tables have all columns of the kernels' tables too.
  add(Family::mla_prefill_module,
      milliseconds({"mla_dtype", "kv_cache_dtype", "gemm_type"}, module_key<Family::mla_prefill_module>,
                   latent_prefill),
      [](Texts t) { return !has(t[kOperation], "mla_context"); });
  add(Family::mla_decode_module,
      milliseconds({"mla_dtype", "kv_cache_dtype", "gemm_type"}, module_key<Family::mla_decode_module>,
                   {heads, batch, {"kv_len", "step"}}),
      [](Texts t) { return !has(t[kOperation], "mla_generation"); });
  add(Family::mla_prefill,
      milliseconds({"mla_dtype", "kv_cache_dtype"}, attention_key<Family::mla_prefill>, latent_prefill),
      not_latent_prefill);
  add(Family::mla_decode,
      milliseconds({"mla_dtype", "kv_cache_dtype"}, attention_key<Family::mla_decode>, {heads, batch, attended}),
      not_latent_decode);
  const ShapeSource query_heads{"num_q_heads", "num_heads"};
  const ShapeSource kv_heads{"num_kv_heads", "num_key_value_heads"};
  const ShapeSource head_dim{"head_dim", "head_dim"};
  const ShapeSource window{"window", "window_size"};
  add(Family::attention_prefill,
      milliseconds({"attn_dtype", "kv_cache_dtype"}, attention_key<Family::attention_prefill>,
                   {query_heads, kv_heads, head_dim, batch, {"seq_len", "isl"}, prefix, window}),
      not_prefill);
  add(Family::attention_decode,
      milliseconds({"attn_dtype", "kv_cache_dtype"}, attention_key<Family::attention_decode>,
                   {query_heads, kv_heads, head_dim, batch, attended, window}),
      not_decode);
  add(Family::mla_bmm,
      milliseconds(
          {"bmm_dtype"},
          [](Texts t) { return key(Family::mla_bmm, t, t[kDtype], "", has(t[kOperation], "pre") ? "pre" : "post"); },
          {heads, {"num_tokens", "num_tokens"}}));
  const ShapeSource hidden{"hidden", "hidden_size"};
  const ShapeSource inter{"inter", "inter_size"};
  const ShapeSource topk{"topk", "topk"};
  const ShapeSource experts{"num_experts", "num_experts"};
  const ShapeSource expert_parallel{"moe_ep", "moe_ep_size"};
  const ShapeSource skewed{"skew", "distribution", 0, skew};
  const ShapeSource copies{"balanced_by_copies", "distribution", 0, balanced_by_copies};
  const ShapeSource tokens{"num_tokens", "num_tokens"};
  add(Family::wide_ep_moe,
      milliseconds(
          {"moe_dtype"}, [](Texts t) { return key(Family::wide_ep_moe, t, t[kDtype], "", std::string(t[kKernel])); },
          {hidden, inter, topk, experts, {"num_slots", "num_slots"}, expert_parallel, skewed, copies, tokens}));
  add(Family::wide_ep_moe,
      milliseconds(
          {"moe_dtype"},
          [](Texts t) {
            const char* phase = has(t[kOperation], "context") ? "context" : "generation";
            return key(Family::wide_ep_moe, t, t[kDtype], "", fmt::format("{}/{}", t[kKernel], phase));
          },
          {hidden, inter, topk, experts, {"num_slots", "num_experts"}, expert_parallel, skewed, copies, tokens}),
      [](Texts t) { return !is_wide(t); });
  add(Family::moe,
      milliseconds({"moe_dtype"}, [](Texts t) { return key(Family::moe, t, t[kDtype], "", std::string(t[kKernel])); },
                   {hidden,
                    inter,
                    topk,
                    experts,
                    {"matrices", "", 3},
                    {"moe_tp", "moe_tp_size"},
                    expert_parallel,
                    skewed,
                    tokens}),
      is_wide, count_matrices);
  add(Family::gemm,
      milliseconds({"gemm_dtype"}, [](Texts t) { return key(Family::gemm, t, t[kDtype], "", std::string(t[kKernel])); },
                   {{"n", "n"}, {"k", "k"}, {"m", "m"}}));
  add(Family::quantize, milliseconds({"quant_dtype"},
                                     [](Texts t) {
                                       return key(Family::quantize, t, t[kDtype], "",
                                                  fmt::format("{}/{}", t[kOperation], t[kKernel]));
                                     },
                                     {{"k", "k"}, {"m", "m"}}));
  all.back().second.may_be_nothing = true;
  const std::vector<ShapeSource> message = {
      {"message_bytes", "message_size"}, {"num_gpus", "num_gpus"}, {"gpus_per_node", "", 1}};
  add(Family::collective,
      milliseconds(
          {"nccl_dtype"},
          [](Texts t) {
            // The version is NCCL's, whatever the framework column says.
            return MeasurementKey{Family::collective,
                                  device_name(t[kDevice]),
                                  stack_name("nccl", t[kEngineVersion]),
                                  dtype_name(t[kDtype]),
                                  "",
                                  collective_name(t[kOperation])};
          },
          message),
      nullptr, in_bytes);
  add(Family::collective,
      milliseconds(
          {"allreduce_dtype"},
          [](Texts t) { return key(Family::collective, t, t[kDtype], "", fmt::format("all_reduce/{}", t[kKernel])); },
          message),
      nullptr, in_bytes);
  return all;
}

}  // namespace

RowReader aiconfigurator_table(const CsvTable& table, const std::string& /*file*/) {
  static const std::vector<Described> kAiconfiguratorTables = describe_tables();
  std::vector<RowReader> readers;
  std::string_view dtype;
  for (const auto& [family, description] : kAiconfiguratorTables) {
    // Descriptions of one table agree in the columns of its formats.
    const std::string_view own = description.key_columns[kDtype];
    const bool same = readers.empty() || own == dtype;
    if (RowReader reader = same ? described_table(table, description, family) : RowReader()) {
      readers.push_back(std::move(reader));
      dtype = own;
    }
  }
  if (readers.empty()) {
    return {};
  }
  return [readers](MeasurementSink& sink) {
    for (const RowReader& reader : readers) {
      if (reader(sink)) {
        return true;
      }
    }
    return false;
  };
}

}  // namespace moesaic
