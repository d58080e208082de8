// Private to calibrate: tables whose rows are one measurement each, described by which column is which.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "calibrate/import.hpp"

namespace moesaic {

/// Where one column of our shape comes from.
struct ShapeSource {
  std::string_view ours;
  std::string_view theirs;  ///< empty: the constant
  double constant = 0;
  double (*parse)(std::string_view) = nullptr;  ///< a number if null
  std::string_view added = {};                  ///< a second column to add
};

struct TableDescription {
  std::vector<std::string_view> key_columns;
  /// From the texts of key_columns.
  MeasurementKey (*key)(std::span<const std::string_view> texts);
  std::vector<ShapeSource> shape;  ///< every column of the family; `theirs` may be missing where there is a constant
  std::string_view latency = "latency_us";
  int latency_exponent = -6;                ///< of its unit
  std::vector<std::string_view> also = {};  ///< further columns that the header must have
  /// Completes the shape where one column does not say it all.
  void (*complete)(const MeasurementKey&, ShapeValues&) = nullptr;
  bool (*skip)(std::span<const std::string_view> texts) = nullptr;  ///< rows that measure something else
  bool may_be_nothing = false;  ///< the time is a difference of two, and 0 says that it was too small to see
};

/// A reader if the table has all columns of the description.
RowReader described_table(const CsvTable& table, const TableDescription& description, Family family);

/// Fills in how many matrices an expert has, which tables of routed experts do not say.
void count_matrices(const MeasurementKey& key, ShapeValues& shape);

/// The position of a shape column of the family.
std::size_t shape_index(Family family, std::string_view column);

}  // namespace moesaic
