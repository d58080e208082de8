// Private to calibrate: what importers of measurements share.
#pragma once

#include <fmt/format.h>

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/error.hpp"
#include "calibrate/csv.hpp"
#include "calibrate/measurement.hpp"
#include "calibrate/read_measurements.hpp"

namespace moesaic {

/// Where importers put what they read, file by file. A row that turns out to be bad leaves nothing behind.
class MeasurementSink {
 public:
  explicit MeasurementSink(ReadResult& result) : result_(result) {}

  /// `place` is what a row's number counts, for messages.
  void begin_file(const std::string& file, std::string_view place = "line");
  void begin_row(std::uint32_t line);
  void bad_row(std::string_view reason);      ///< takes back what the row added
  void unused_row(std::string_view reason);   ///< a row that is right but that nothing here can use
  void end_file(const ReadOptions& options);  ///< throws UserError if too many rows were bad

  /// The index of a key that is made only where its texts were not seen before in this file.
  template <class Make>
  std::uint32_t key(std::string_view texts, Make&& make) {
    if (texts == last_texts_) {
      return last_key_;
    }
    const auto found = by_texts_.find(std::string(texts));
    last_key_ = found != by_texts_.end() ? found->second : by_texts_[std::string(texts)] = index(make());
    last_texts_ = texts;
    return last_key_;
  }
  /// Throws BadRow for a value that the column cannot have.
  void add(std::uint32_t key, const ShapeValues& shape, Seconds latency);
  void add(const MeasurementKey& key, const ShapeValues& shape, Seconds latency) { add(index(key), shape, latency); }

  const MeasurementKey& key_at(std::uint32_t index) const { return result_.measurements.keys[index]; }
  const std::string& file() const { return result_.measurements.files.back(); }

 private:
  std::uint32_t index(const MeasurementKey& key);

  ReadResult& result_;
  std::map<MeasurementKey, std::uint32_t> keys_;
  std::unordered_map<std::string, std::uint32_t> by_texts_;
  std::string last_texts_;
  std::uint32_t last_key_ = 0;
  std::string_view place_;
  std::uint32_t line_ = 0;
  std::uint64_t rows_ = 0;
  std::uint64_t bad_ = 0;
  std::size_t row_start_ = 0;
  SkippedRows bad_rows_;
  SkippedRows unused_rows_;
};

/// A number of a table, or BadRow naming the column.
inline double number(std::string_view text, std::string_view column, int exponent = 0) {
  if (const auto value = parse_number(text, exponent)) {
    return *value;
  }
  throw BadRow(fmt::format("{}: '{}' is not a number", column, printable(text, 40)));
}

/// Turns the current row of the table it was made for into measurements. False if the row is one of something else.
using RowReader = std::function<bool(MeasurementSink&)>;
/// A reader for the table if its header is one that the importer knows; empty otherwise.
using TableImporter = RowReader (*)(const CsvTable& table, const std::string& file);

// The importers, in the order in which they are asked.
RowReader own_table(const CsvTable& table, const std::string& file);
RowReader kernel_table(const CsvTable& table, const std::string& file);
RowReader exchange_table(const CsvTable& table, const std::string& file);
RowReader rate_table(const CsvTable& table, const std::string& file);
RowReader layer_table(const CsvTable& table, const std::string& file);
RowReader vidur_table(const CsvTable& table, const std::string& file);
RowReader aiconfigurator_table(const CsvTable& table, const std::string& file);

/// JSON lines of our own format, Google Benchmark and nvbench. False if the text is none of them.
bool read_own_lines(std::string_view text, const std::string& file, const ReadOptions& options, MeasurementSink& sink);
bool read_benchmark_json(std::string_view text, const std::string& file, const ReadOptions& options,
                         MeasurementSink& sink);

}  // namespace moesaic
