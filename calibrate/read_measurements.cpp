#include "calibrate/read_measurements.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <set>

#include "base/error.hpp"
#include "calibrate/import.hpp"

namespace moesaic {
namespace {

namespace fs = std::filesystem;

constexpr std::array<std::string_view, 4> kExtensions = {".csv", ".jsonl", ".json", ".txt"};
constexpr std::uintmax_t kLargestFile = std::uintmax_t{2} << 30;
constexpr std::array<TableImporter, 7> kTableImporters = {rate_table,  own_table,   kernel_table,        exchange_table,
                                                          layer_table, vidur_table, aiconfigurator_table};

/// All files under the paths in the order in which they are read; a file that is named twice is read once.
std::vector<fs::path> files_under(const std::vector<fs::path>& paths) {
  std::set<fs::path> files;
  for (const fs::path& path : paths) {
    std::error_code error;
    const fs::file_status status = fs::status(path, error);
    if (!fs::exists(status)) {
      throw UserError(fmt::format("{}: no such file or folder", printable(path.string(), 400)));
    }
    if (fs::is_regular_file(status)) {
      files.insert(path.lexically_normal());
      continue;
    }
    const auto options = fs::directory_options::skip_permission_denied;
    fs::recursive_directory_iterator entry(path, options, error);
    for (const fs::recursive_directory_iterator end; !error && entry != end; entry.increment(error)) {
      const std::string extension = entry->path().extension().string();
      if (entry->is_regular_file(error) &&
          std::find(kExtensions.begin(), kExtensions.end(), extension) != kExtensions.end()) {
        files.insert(entry->path().lexically_normal());
      }
    }
    if (error) {
      throw UserError(fmt::format("{}: {}", printable(path.string(), 400), error.message()));
    }
  }
  return {files.begin(), files.end()};
}

std::string read_text(const fs::path& file) {
  std::error_code error;
  const std::uintmax_t size = fs::file_size(file, error);
  if (!error && size > kLargestFile) {
    throw UserError(fmt::format("{}: larger than 2 GiB", printable(file.string(), 400)));
  }
  std::ifstream stream(file, std::ios::binary);
  std::string text(error ? 0 : size, '\0');
  stream.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (!stream) {
    throw UserError(fmt::format("{}: cannot be read", printable(file.string(), 400)));
  }
  return text;
}

/// False if nobody knows the table.
bool read_table(const std::string& text, const std::string& file, const ReadOptions& options, MeasurementSink& sink) {
  CsvTable table(text);
  for (const TableImporter importer : kTableImporters) {
    if (const RowReader read_row = importer(table, file)) {
      sink.begin_file(file);
      while (table.next()) {
        sink.begin_row(table.line());
        try {
          table.split();
          if (!read_row(sink)) {
            sink.unused_row("not a kernel of any operator here");
          }
        } catch (const BadRow& bad) {
          sink.bad_row(bad.what());
        } catch (const UnusedRow& unused) {
          sink.unused_row(unused.what());
        }
      }
      sink.end_file(options);
      return true;
    }
  }
  return false;
}

}  // namespace

ReadResult read_measurements(const std::vector<std::filesystem::path>& paths, const ReadOptions& options) {
  ReadResult result;
  MeasurementSink sink(result);
  for (const fs::path& path : files_under(paths)) {
    const std::string file = path.string();
    const std::string text = read_text(path);
    if (!read_own_lines(text, file, options, sink) && !read_benchmark_json(text, file, options, sink) &&
        !read_table(text, file, options, sink)) {
      result.ignored_files.push_back(file);
    }
  }
  if (result.measurements.rows.empty()) {
    std::string where;
    for (const fs::path& path : paths) {
      where += (where.empty() ? "" : ", ") + printable(path.string(), 400);
    }
    const std::string_view help = "; docs/measurements.md says what is read";
    throw UserError(fmt::format("{}: no measurements{}", where.empty() ? "no files" : where, help));
  }
  return result;
}

}  // namespace moesaic
