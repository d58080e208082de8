// Tables that give a rate instead of a time.
#include "calibrate/import.hpp"
#include "calibrate/import_names.hpp"

namespace moesaic {

/// Dense products of DeepGEMM's published table. Its grouped products are no family of ours.
RowReader rate_table(const CsvTable& table, const std::string& /*file*/) {
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
