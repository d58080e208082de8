// Files of measurements for tests: written to a folder of their own, read, and gone again.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "calibrate/read_measurements.hpp"

namespace moesaic {

/// A folder that exists as long as this.
class MeasurementFiles {
 public:
  MeasurementFiles() {
    static int number = 0;
    folder_ = std::filesystem::temp_directory_path() /
              ("moesaic-" + std::to_string(::getpid()) + "-" + std::to_string(number++));
    std::filesystem::create_directories(folder_);
  }
  ~MeasurementFiles() {
    std::error_code error;
    std::filesystem::remove_all(folder_, error);
  }
  MeasurementFiles(const MeasurementFiles&) = delete;
  MeasurementFiles& operator=(const MeasurementFiles&) = delete;

  std::filesystem::path write(const std::string& name, const std::string& text) const {
    const std::filesystem::path file = folder_ / name;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file, std::ios::binary) << text;
    return file;
  }
  const std::filesystem::path& folder() const { return folder_; }

 private:
  std::filesystem::path folder_;
};

inline ReadResult read_text(const std::string& text, const std::string& name = "a.csv", double most_bad = 0.01) {
  const MeasurementFiles files;
  return read_measurements({files.write(name, text)}, {most_bad});
}

/// A row as one line: "gemm h100-sxm vllm-0.24.0 bf16 - triton | n=4096 k=7168 m=16 | 12.5 us".
inline std::string row_text(const Measurements& all, std::size_t index) {
  const Measurement& row = all.rows.at(index);
  const MeasurementKey& key = all.key_of(row);
  const auto shown = [](const std::string& text) { return text.empty() ? "-" : text; };
  char latency[40];
  std::snprintf(latency, sizeof latency, "%.6g us", row.latency.value * 1e6);
  return std::string(name(key.family)) + " " + shown(key.device) + " " + shown(key.stack) + " " + shown(key.dtype) +
         " " + shown(key.kv_dtype) + " " + shown(key.kernel) + " | " + shape_text(row, key.family) + " | " + latency;
}

/// The only row that the text of a file gives.
inline std::string only_row(const std::string& text, const std::string& name = "a.csv") {
  const ReadResult result = read_text(text, name);
  EXPECT_EQ(result.measurements.rows.size(), 1u);
  return result.measurements.rows.empty() ? "" : row_text(result.measurements, 0);
}

}  // namespace moesaic
