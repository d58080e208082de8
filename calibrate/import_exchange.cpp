// Tables of dispatch and combine, the all-to-alls of expert parallelism.
#include <array>

#include "calibrate/import.hpp"
#include "calibrate/import_names.hpp"
#include "calibrate/import_table.hpp"

namespace moesaic {
namespace {

constexpr std::array kShape = {"hidden", "topk", "num_experts", "node_num", "tokens_per_rank"};

/// Both directions in one row: one measurement each. Normal kernels tell the other ranks first how much will come
/// (notify); the caller waits for both, so both count. Dispatch sends fp8, combine bf16.
RowReader deepep(const CsvTable& table) {
  if (!table.has({"gpu", "collected_with", "hidden", "topk", "num_experts", "node_num", "tokens_per_rank",
                  "dispatch_us", "combine_us"})) {
    return {};
  }
  struct Direction {
    const char* kernel;
    const char* dtype;
    std::size_t latency;
    std::optional<std::size_t> notify;
    std::optional<std::size_t> sms;
  };
  const bool normal = table.has({"dispatch_sms", "combine_sms"});
  const std::array<Direction, 2> directions = {
      Direction{normal ? "normal_dispatch" : "low_latency_dispatch", "fp8", *table.column("dispatch_us"),
                table.column("dispatch_notify_us"), table.column("dispatch_sms")},
      Direction{normal ? "normal_combine" : "low_latency_combine", "bf16", *table.column("combine_us"),
                table.column("combine_notify_us"), table.column("combine_sms")}};
  std::array<std::size_t, kShape.size()> columns{};
  for (std::size_t i = 0; i < kShape.size(); ++i) {
    columns[i] = *table.column(kShape[i]);
  }
  const std::size_t gpu = *table.column("gpu");
  const std::size_t with = *table.column("collected_with");
  return [&table, directions, columns, gpu, with](MeasurementSink& sink) {
    std::array<double, kShape.size()> values{};
    for (std::size_t i = 0; i < kShape.size(); ++i) {
      values[i] = number(table[columns[i]], kShape[i]);
    }
    const std::string device = device_name(table[gpu]);
    const auto [hidden, topk, experts, nodes, tokens] = values;
    for (const Direction& direction : directions) {
      const std::string texts = fmt::format("{}\n{}\n{}", direction.kernel, table[gpu], table[with]);
      const std::uint32_t key = sink.key(texts, [&] {
        return MeasurementKey{Family::expert_exchange, device, "deepep-" + stack_name(table[with], ""),
                              direction.dtype,         "",     direction.kernel};
      });
      double latency = number(table[direction.latency], "latency", -6);
      if (direction.notify) {
        latency += number(table[*direction.notify], "notify", -6);
      }
      const double sms = direction.sms ? number(table[*direction.sms], "sms") : 0;
      sink.add(key, {hidden, topk, experts, nodes * gpus_per_node(device), nodes, sms, tokens}, Seconds{latency});
    }
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
  if (RowReader reader = deepep(table)) {
    return reader;
  }
  return described_table(table, nvlink_exchange(), Family::expert_exchange);
}

}  // namespace moesaic
