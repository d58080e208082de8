// Reading measurements from files and folders, in our own format and in those of others.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "calibrate/measurement.hpp"

namespace moesaic {

/// A row or file that could not be used, for a warning.
struct SkippedRows {
  std::string file;
  std::uint64_t rows = 0;
  std::string first_reason;  ///< "line 17: latency_us: '-3' is not a positive number"
};

struct ReadResult {
  Measurements measurements;
  std::vector<SkippedRows> skipped;        ///< bad rows, by file
  std::vector<std::string> ignored_files;  ///< files whose format nobody knows
};

struct ReadOptions {
  double most_bad = 0.01;  ///< share of bad rows of one file above which it is an error
};

/// Reads files and folders (recursively; *.csv, *.jsonl, *.json, *.txt). The format of a file is recognised by its
/// columns or content, never by its name. Files and rows are read in sorted order. A bad row is skipped and counted; a
/// file with more than options.most_bad of them, a path that does not exist, and no measurement at all are UserErrors.
ReadResult read_measurements(const std::vector<std::filesystem::path>& paths, const ReadOptions& options = {});

/// Our own format. CSV: a header of common columns, the shape columns of the families in it, and latency_us.
std::string measurements_csv(const Measurements& measurements);
std::string measurements_jsonl(const Measurements& measurements);

}  // namespace moesaic
