// Tables that give a rate instead of a time.
#include "calibrate/import.hpp"
#include "calibrate/import_names.hpp"

namespace moesaic {
namespace {

/// Bus bandwidth as nccl-tests define it (doc/PERFORMANCE.md): the bytes that every rank must send, over the time. From
/// stas00/ml-engineering, network/README.md, measured in float32 inside one node.
RowReader bus_table(const CsvTable& table) {
  return [&table](MeasurementSink& sink) {
    const auto text = [&](std::string_view column) { return table[*table.column(column)]; };
    const std::string collective = collective_name(text("collective"));
    const double bytes = number(text("message_bytes"), "message_bytes");
    const double ranks = number(text("num_gpus"), "num_gpus");
    const double sent = bytes * (ranks - 1) / ranks * (collective == "all_reduce" ? 2 : 1);
    const bool ring = collective == "all_reduce" && text("algorithm").starts_with("Ring");
    const MeasurementKey key{
        Family::collective, device_name(text("gpu")), "nccl", "fp32", "", ring ? "all_reduce/ring" : collective};
    sink.add(key, {bytes, ranks, ranks}, Seconds{sent / number(text("busbw_GBps"), "busbw_GBps", 9)});
    return true;
  };
}

}  // namespace

/// Dense products of DeepGEMM's published table, whose grouped products are no family of ours; bus bandwidths.
RowReader rate_table(const CsvTable& table, const std::string& /*file*/) {
  if (table.has({"gpu", "num_gpus", "message_bytes", "collective", "algorithm", "busbw_GBps"})) {
    return bus_table(table);
  }
  if (!table.has({"gpu", "layout", "num_groups", "m_per_group", "n", "k", "tflops"})) {
    return {};
  }
  return [&table](MeasurementSink& sink) {
    const auto text = [&](std::string_view column) { return table[*table.column(column)]; };
    if (text("layout") != "dense") {
      throw UnusedRow("layout: not dense");
    }
    const double m = number(text("m_per_group"), "m_per_group");
    const double n = number(text("n"), "n");
    const double k = number(text("k"), "k");
    const MeasurementKey key{Family::gemm, device_name(text("gpu")), "deepgemm", "fp8-block", "", ""};
    sink.add(key, {n, k, m}, Seconds{2 * m * n * k / number(text("tflops"), "tflops", 12)});
    return true;
  };
}

}  // namespace moesaic
