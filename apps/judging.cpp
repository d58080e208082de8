#include "apps/judging.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <ostream>

#include "base/catalog.hpp"
#include "base/error.hpp"

namespace moesaic {
namespace {

constexpr std::size_t kMostWarnings = 5;

}  // namespace

ReadResult read_selected(const std::vector<std::string>& paths, const Selection& selection) {
  ReadResult result = read_measurements({paths.begin(), paths.end()});
  select(result.measurements, selection);
  return result;
}

void warn_skipped(const ReadResult& read, std::ostream& err) {
  for (std::size_t i = 0; i < std::min(kMostWarnings, read.skipped.size()); ++i) {
    const SkippedRows& skipped = read.skipped[i];
    err << fmt::format("moesaic: {}: {} rows skipped; {}\n", printable(skipped.file, 400), skipped.rows,
                       printable(skipped.first_reason, 200));
  }
  if (read.skipped.size() > kMostWarnings) {
    err << fmt::format("moesaic: rows of {} more files skipped\n", read.skipped.size() - kMostWarnings);
  }
  if (!read.ignored_files.empty()) {
    err << fmt::format("moesaic: {} files are no measurements of operators, the first {}\n", read.ignored_files.size(),
                       printable(read.ignored_files.front(), 400));
  }
}

std::vector<Profile> read_profiles(const std::vector<std::string>& typed) {
  std::vector<Profile> profiles;
  profiles.reserve(typed.size());
  for (const std::string& one : typed) {
    profiles.push_back(read_profile(Config::load(find_in_catalog("profiles", "profile", one).file)));
  }
  return profiles;
}

std::size_t count_seen(const std::vector<Profile>& profiles, const Measurements& measurements,
                       const Judgement& judgement) {
  const auto count = std::count_if(judgement.rows.begin(), judgement.rows.end(), [&](const JudgedRow& judged) {
    const Measurement& row = measurements.rows[judged.row];
    const MeasurementKey& key = measurements.key_of(row);
    return std::any_of(profiles.begin(), profiles.end(), [&](const Profile& profile) {
      return profile.device == key.device && profile.has_seen(key.family, whole_shape(row, key.family));
    });
  });
  return static_cast<std::size_t>(count);
}

std::function<void(std::size_t, std::size_t, const std::string&)> progress_of(const Console& console) {
  if (!console.progress) {
    return {};
  }
  return [&err = console.err](std::size_t done, std::size_t total, const std::string& what) {
    err << fmt::format("\r\x1b[K{:3.0f}% {}", 100.0 * static_cast<double>(done) / static_cast<double>(total),
                       printable(what))
        << std::flush;
  };
}

}  // namespace moesaic
