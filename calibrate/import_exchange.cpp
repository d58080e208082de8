// Tables of dispatch and combine, the all-to-alls of expert parallelism.
#include <array>

#include "calibrate/import.hpp"
#include "calibrate/import_names.hpp"
#include "calibrate/import_table.hpp"

namespace moesaic {
namespace {

/// The columns of a table of DeepEP, as one source or another calls them.
struct DeepepColumns {
  std::array<std::string_view, 2> stack;  ///< engine and version, or both in the first
  std::string_view device;
  std::array<std::string_view, 5> shape;  ///< hidden, topk, num_experts, nodes, tokens
  std::array<std::string_view, 2> latency;
  std::array<std::string_view, 2> notify;  ///< and the SMs, where the kernels are the normal ones
};
constexpr std::array<std::string_view, 2> kSms = {"dispatch_sms", "combine_sms"};
constexpr std::array<DeepepColumns, 4> kDeepep = {{
    {{"collected_with", ""},
     "gpu",
     {"hidden", "topk", "num_experts", "node_num", "tokens_per_rank"},
     {"dispatch_us", "combine_us"},
     {"dispatch_notify_us", "combine_notify_us"}},
    {{"collected_with", ""},
     "gpu",
     {"hidden", "topk", "num_experts", "node_num", "tokens_per_rank"},
     {"dispatch_us", "combine_us"},
     {}},
    {{"framework", "version"},
     "device",
     {"hidden_size", "num_topk", "num_experts", "node_num", "num_token"},
     {"dispatch_transmit_us", "combine_transmit_us"},
     {"dispatch_notify_us", "combine_notify_us"}},
    {{"framework", "version"},
     "device",
     {"hidden_size", "num_topk", "num_experts", "node_num", "num_token"},
     {"dispatch_avg_t_us", "combine_avg_t_us"},
     {}},
}};

/// Both directions in one row: one measurement each. Normal kernels tell the other ranks first how much will come
/// (notify); the caller waits for both, so both count. Dispatch sends fp8, combine bf16.
RowReader deepep(const CsvTable& table, const DeepepColumns& names) {
  std::vector<std::size_t> at;
  const auto find = [&](std::string_view name) {
    const auto column = name.empty() ? std::nullopt : table.column(name);
    at.push_back(column.value_or(0));
    return name.empty() || column;
  };
  bool found = find(names.device) && find(names.stack[0]) && find(names.stack[1]);
  for (const auto name : names.shape) {
    found = found && find(name);
  }
  const bool normal = !names.notify[0].empty();
  for (std::size_t i = 0; i < 2 && found; ++i) {
    found = find(names.latency[i]) && find(names.notify[i]) && (!normal || find(kSms[i]));
  }
  if (!found) {
    return {};
  }
  return [&table, at, names, normal](MeasurementSink& sink) {
    std::array<double, 5> values{};
    for (std::size_t i = 0; i < values.size(); ++i) {
      values[i] = number(table[at[3 + i]], names.shape[i]);
    }
    const auto [hidden, topk, experts, nodes, tokens] = values;
    const std::string device = device_name(table[at[0]]);
    const std::string_view version = names.stack[1].empty() ? "" : table[at[2]];
    for (std::size_t i = 0; i < 2; ++i) {
      const std::string kernel =
          fmt::format("{}_{}", normal ? "normal" : "low_latency", i == 0 ? "dispatch" : "combine");
      const std::string texts = fmt::format("{}\n{}\n{}\n{}", kernel, table[at[0]], table[at[1]], version);
      const std::uint32_t key = sink.key(texts, [&] {
        return MeasurementKey{Family::expert_exchange, device, "deepep-" + stack_name(table[at[1]], version),
                              i == 0 ? "fp8" : "bf16", "",     kernel};
      });
      const std::size_t* columns = &at[8 + i * (normal ? 3 : 2)];
      double latency = number(table[columns[0]], names.latency[i], -6);
      double sms = 0;
      if (normal) {
        latency += number(table[columns[1]], names.notify[i], -6);
        sms = number(table[columns[2]], kSms[i]);
      }
      sink.add(key, {hidden, topk, experts, nodes * gpus_per_node(device), nodes, sms, tokens}, Seconds{latency});
    }
    return true;
  };
}

/// TensorRT-LLM's exchange inside one NVLink domain, which counts as one node.
const TableDescription& nvlink_exchange() {
  static const TableDescription kDescription = {
      {"gpu", "op", "implementation", "dtype"},
      [](std::span<const std::string_view> t) {
        return MeasurementKey{Family::expert_exchange,         device_name(t[0]), "trtllm", dtype_name(t[3]), "",
                              fmt::format("{}/{}", t[1], t[2])};
      },
      {{"hidden", "hidden"},
       {"topk", "topk"},
       {"num_experts", "num_experts"},
       {"num_gpus", "ep_size"},
       {"num_nodes", "", 1},
       {"num_sms", "", 0},
       {"tokens_per_rank", "tokens"}}};
  return kDescription;
}

}  // namespace

RowReader exchange_table(const CsvTable& table, const std::string& /*file*/) {
  for (const DeepepColumns& names : kDeepep) {
    if (RowReader reader = deepep(table, names)) {
      return reader;
    }
  }
  return described_table(table, nvlink_exchange(), Family::expert_exchange);
}

}  // namespace moesaic
