// Our own format as CSV: a header of common columns, the shape columns of the families in the file, and latency_us.
#include <algorithm>
#include <array>

#include "calibrate/import.hpp"
#include "calibrate/measurement_text.hpp"

namespace moesaic {
namespace {

using ShapeColumns = std::array<std::optional<std::size_t>, kMostShapeColumns>;

}  // namespace

RowReader own_table(const CsvTable& table, const std::string& /*file*/) {
  if (!table.column("operator") || !table.column("latency_us")) {
    return {};
  }
  std::array<std::optional<std::size_t>, kKeyColumns.size()> columns;
  for (std::size_t i = 0; i < kKeyColumns.size(); ++i) {
    columns[i] = table.column(kKeyColumns[i]);
    // Only formats without a cache may leave out kv_dtype, and only kernels without a name kernel.
    if (!columns[i] && kKeyColumns[i] != "kv_dtype" && kKeyColumns[i] != "kernel") {
      return {};
    }
  }
  std::array<ShapeColumns, kFamilyCount> shapes;
  for (std::size_t family = 0; family < kFamilyCount; ++family) {
    const auto shape = describe(static_cast<Family>(family)).shape;
    for (std::size_t i = 0; i < shape.size(); ++i) {
      shapes[family][i] = table.column(shape[i]);
    }
  }
  const std::size_t latency = *table.column("latency_us");
  return [&table, columns, shapes, latency, joined = std::string()](MeasurementSink& sink) mutable {
    std::array<std::string_view, kKeyColumns.size()> texts;
    joined.clear();
    for (std::size_t i = 0; i < texts.size(); ++i) {
      texts[i] = columns[i] ? table[*columns[i]] : std::string_view();
      joined.append(texts[i]).push_back('\n');  // a line feed is in no field
    }
    const std::uint32_t key = sink.key(joined, [&] { return own_key(texts); });
    const Family family = sink.key_at(key).family;
    const auto names = describe(family).shape;
    const ShapeColumns& shape = shapes[static_cast<std::size_t>(family)];
    ShapeValues values{};
    for (std::size_t i = 0; i < names.size(); ++i) {
      values[i] = number(shape[i] ? table[*shape[i]] : std::string_view(), names[i]);
    }
    sink.add(key, values, Seconds{number(table[latency], "latency_us", -6)});
    return true;
  };
}

std::string measurements_csv(const Measurements& measurements) {
  std::vector<std::string_view> columns;
  for (const MeasurementKey& key : measurements.keys) {
    for (const std::string_view name : describe(key.family).shape) {
      if (std::find(columns.begin(), columns.end(), name) == columns.end()) {
        columns.push_back(name);
      }
    }
  }
  std::string text = fmt::format("{},{}{}latency_us\n", fmt::join(kKeyColumns, ","), fmt::join(columns, ","),
                                 columns.empty() ? "" : ",");
  for (const Measurement& row : measurements.rows) {
    const MeasurementKey& key = measurements.key_of(row);
    for (const std::string_view part : own_texts(key)) {
      text += csv_field(part) + ",";
    }
    const auto shape = describe(key.family).shape;
    for (const std::string_view column : columns) {
      const auto found = std::find(shape.begin(), shape.end(), column);
      if (found != shape.end()) {
        text += number_text(row.shape[static_cast<std::size_t>(found - shape.begin())]);
      }
      text += ',';
    }
    text += number_text(row.latency.value, -6) + "\n";
  }
  return text;
}

}  // namespace moesaic
