// Tables of single kernels: one row, one measurement.
#include <algorithm>
#include <utility>

#include "calibrate/import.hpp"
#include "calibrate/import_names.hpp"
#include "calibrate/import_table.hpp"

namespace moesaic {
namespace {

using Texts = std::span<const std::string_view>;

void fill_node(const MeasurementKey&, ShapeValues& shape) { shape[2] = shape[1]; }  // all GPUs in one node

/// The table counts nodes: GPUs are spread over them evenly.
void spread_over_nodes(const MeasurementKey&, ShapeValues& shape) { shape[2] = shape[1] / std::max(1.0, shape[2]); }

/// Of "nccl-tests all_reduce_perf" or "torch all_reduce_bench.py (NVLS)": the latter waits for every call, so that its
/// launch counts. "NVLS disabled" leaves NCCL the ring.
std::string all_reduce_by(std::string_view method) {
  return method.starts_with("torch")                         ? "all_reduce/torch"
         : method.find("NVLS disabled") != std::string::npos ? "all_reduce/ring"
                                                             : "all_reduce";
}

std::string attention_kernel(std::string_view kernel, std::string_view query_dtype) {
  const std::string dtype = dtype_name(query_dtype);
  return dtype == "bf16" ? std::string(kernel) : fmt::format("{}/q-{}", kernel, dtype);
}

/// Of tables that begin with device, engine and version.
MeasurementKey engine_key(Family family, Texts texts, std::string_view dtype, std::string_view kv_dtype,
                          std::string kernel) {
  return {
      family,           device_name(texts[0]), stack_name(texts[1], texts[2]), dtype_name(dtype), dtype_name(kv_dtype),
      std::move(kernel)};
}

const std::vector<std::pair<Family, TableDescription>>& descriptions() {
  static const std::vector<ShapeSource> kDecode = {{"num_q_heads", "num_q_heads"}, {"num_kv_heads", "num_kv_heads"},
                                                   {"head_dim", "head_dim"},       {"batch", "batch"},
                                                   {"kv_len", "kv_len"},           {"window", "window"}};
  static const std::vector<ShapeSource> kPrefill = {
      {"num_q_heads", "num_q_heads"}, {"num_kv_heads", "num_kv_heads"}, {"head_dim", "head_dim"}, {"batch", "batch"},
      {"seq_len", "seq_len"},         {"prefix_len", "prefix_len"},     {"window", "window"}};
  static const std::vector<ShapeSource> kLatentPrefill = {
      {"heads", "heads_per_gpu"}, {"batch", "batch"}, {"seq_len", "seq_len"}, {"prefix_len", "prefix_len"}};
  static const std::vector<ShapeSource> kLatentDecode = {
      {"heads", "heads_per_gpu"}, {"batch", "batch"}, {"kv_len", "kv_len"}};
  static const std::vector<std::pair<Family, TableDescription>> kAll = {
      {Family::moe,
       {{"gpu", "engine", "engine_version", "kernel", "dtype"},
        [](Texts t) { return engine_key(Family::moe, t, t[4], "", std::string(t[3])); },
        {{"hidden", "hidden"},
         {"inter", "inter"},
         {"topk", "topk"},
         {"num_experts", "num_experts"},
         {"matrices", "", 3},
         {"moe_tp", "moe_tp"},
         {"moe_ep", "moe_ep"},
         {"skew", "distribution", 0, skew},
         {"num_tokens", "num_tokens"}},
        "latency_us",
        -6,
        {},
        count_matrices}},
      {Family::wide_ep_moe,
       {{"gpu", "engine", "engine_version", "kernel", "dtype"},
        [](Texts t) { return engine_key(Family::wide_ep_moe, t, t[4], "", std::string(t[3])); },
        {{"hidden", "hidden"},
         {"inter", "inter"},
         {"topk", "topk"},
         {"num_experts", "num_experts"},
         {"num_slots", "num_slots"},
         {"moe_ep", "moe_ep"},
         {"skew", "distribution", 0, skew},
         {"balanced_by_copies", "distribution", 0, balanced_by_copies},
         {"num_tokens", "num_tokens"}}}},
      {Family::wide_ep_moe,
       {{"gpu", "engine", "engine_version", "kernel", "dtype", "phase"},
        [](Texts t) { return engine_key(Family::wide_ep_moe, t, t[4], "", fmt::format("{}/{}", t[3], t[5])); },
        {{"hidden", "hidden"},
         {"inter", "inter"},
         {"topk", "topk"},
         {"num_experts", "num_experts"},
         {"num_slots", "num_experts"},
         {"moe_ep", "moe_ep"},
         {"skew", "distribution", 0, skew},
         {"balanced_by_copies", "distribution", 0, balanced_by_copies},
         {"num_tokens", "num_tokens"}}}},
      {Family::mla_prefill_module,
       {{"gpu", "engine", "engine_version", "kernel", "q_dtype", "kv_dtype", "gemm_dtype"},
        [](Texts t) { return engine_key(Family::mla_prefill_module, t, t[6], t[5], attention_kernel(t[3], t[4])); },
        kLatentPrefill}},
      {Family::mla_decode_module,
       {{"gpu", "engine", "engine_version", "kernel", "q_dtype", "kv_dtype", "gemm_dtype"},
        [](Texts t) { return engine_key(Family::mla_decode_module, t, t[6], t[5], attention_kernel(t[3], t[4])); },
        kLatentDecode}},
      {Family::mla_prefill,
       {{"gpu", "engine", "engine_version", "kernel", "q_dtype", "kv_dtype"},
        [](Texts t) { return engine_key(Family::mla_prefill, t, t[4], t[5], std::string(t[3])); },
        kLatentPrefill}},
      {Family::mla_decode,
       {{"gpu", "engine", "engine_version", "kernel", "q_dtype", "kv_dtype"},
        [](Texts t) { return engine_key(Family::mla_decode, t, t[4], t[5], std::string(t[3])); },
        kLatentDecode}},
      {Family::attention_prefill,
       {{"gpu", "engine", "engine_version", "kernel", "q_dtype", "kv_dtype"},
        [](Texts t) { return engine_key(Family::attention_prefill, t, t[4], t[5], std::string(t[3])); },
        kPrefill}},
      {Family::attention_decode,
       {{"gpu", "engine", "engine_version", "kernel", "q_dtype", "kv_dtype"},
        [](Texts t) { return engine_key(Family::attention_decode, t, t[4], t[5], std::string(t[3])); },
        kDecode}},
      {Family::mla_bmm,
       {{"gpu", "engine", "engine_version", "op", "dtype"},
        [](Texts t) {
          constexpr std::string_view kPrefix = "mla_gen_";
          const std::string_view op = t[3].starts_with(kPrefix) ? t[3].substr(kPrefix.size()) : t[3];
          return engine_key(Family::mla_bmm, t, t[4], "", std::string(op));
        },
        {{"heads", "heads_per_gpu"}, {"num_tokens", "num_tokens"}}}},
      {Family::quantize,
       {{"gpu", "engine", "engine_version", "op", "kernel", "quant_dtype"},
        [](Texts t) { return engine_key(Family::quantize, t, t[5], "", fmt::format("{}/{}", t[3], t[4])); },
        {{"k", "k"}, {"m", "m"}}}},
      {Family::gemm,
       {{"gpu", "engine", "engine_version", "kernel", "dtype"},
        [](Texts t) { return engine_key(Family::gemm, t, t[4], "", std::string(t[3])); },
        {{"n", "n"}, {"k", "k"}, {"m", "m"}}}},
      {Family::gemm,  // plain PyTorch; of batched products only those of one matrix are a GEMM
       {{"gpu", "op", "b"},
        [](Texts t) {
          return MeasurementKey{Family::gemm, device_name(t[0]), "pytorch-fp32", "fp32", "", std::string(t[1])};
        },
        {{"n", "n"}, {"k", "k"}, {"m", "m"}},
        "latency_us",
        -6,
        {},
        nullptr,
        [](Texts t) { return t[2] != "1"; }}},
      {Family::gemm,
       {{"gpu", "op"},
        [](Texts t) {
          return MeasurementKey{Family::gemm, device_name(t[0]), "pytorch", "fp16", "", std::string(t[1])};
        },
        {{"n", "n_or_cols"}, {"k", "k"}, {"m", "m_or_rows"}},
        "latency_us",
        -6,
        {},
        nullptr,
        [](Texts t) { return t[1] != "matmul_fp16"; }}},
      {Family::collective,
       {{"gpu", "library", "library_version", "collective", "dtype"},
        [](Texts t) { return engine_key(Family::collective, t, t[4], "", collective_name(t[3])); },
        {{"message_bytes", "message_bytes"}, {"num_gpus", "num_gpus"}, {"gpus_per_node", "", 1}},
        "latency_us",
        -6,
        {},
        fill_node}},
      {Family::collective,
       {{"gpu", "engine", "engine_version", "implementation", "dtype"},
        [](Texts t) { return engine_key(Family::collective, t, t[4], "", fmt::format("all_reduce/{}", t[3])); },
        {{"message_bytes", "message_bytes"}, {"num_gpus", "num_gpus"}, {"gpus_per_node", "", 1}},
        "latency_us",
        -6,
        {},
        fill_node}},
      {Family::collective,  // stas00/ml-engineering, network/benchmarks: float32 throughout
       {{"gpu", "method"},
        [](Texts t) {
          return MeasurementKey{Family::collective, device_name(t[0]), "nccl", "fp32", "", all_reduce_by(t[1])};
        },
        {{"message_bytes", "message_bytes"}, {"num_gpus", "num_gpus"}, {"gpus_per_node", "nodes"}},
        "latency_us",
        -6,
        {"busbw_GBps"},
        spread_over_nodes}},
      {Family::collective,  // torch.distributed over NCCL, fp16
       {{"topology", "collective"},
        [](Texts t) {
          return MeasurementKey{Family::collective, device_name(t[0]), "vidur", "fp16", "", collective_name(t[1])};
        },
        {{"message_bytes", "message_bytes"}, {"num_gpus", "num_workers"}, {"gpus_per_node", "devices_per_node"}}}},
  };
  return kAll;
}

}  // namespace

RowReader kernel_table(const CsvTable& table, const std::string& /*file*/) {
  RowReader best;
  std::size_t most = 0;
  // A table may have all columns of several descriptions; the one that uses most of them is meant.
  for (const auto& [family, description] : descriptions()) {
    if (RowReader reader = described_table(table, description, family)) {
      const std::size_t used = description.key_columns.size() + description.shape.size();
      if (used > most) {
        most = used;
        best = std::move(reader);
      }
    }
  }
  return best;
}

}  // namespace moesaic
