// What the commands that judge fits by measurements share.
#pragma once

#include <cstddef>
#include <functional>
#include <iosfwd>
#include <string>
#include <vector>

#include "apps/select.hpp"
#include "apps/validate.hpp"
#include "calibrate/judge.hpp"
#include "calibrate/read_measurements.hpp"

namespace moesaic {

/// Files and folders, less what the selection leaves out. Throws UserError.
ReadResult read_selected(const std::vector<std::string>& paths, const Selection& selection);

/// One line for each of the first few files with rows that could not be used, one for files of no known format.
void warn_skipped(const ReadResult& read, std::ostream& err);

/// By name or file. Throws UserError.
std::vector<Profile> read_profiles(const std::vector<std::string>& typed);

/// Judged rows whose whole shape a profile of the same device was fitted on.
std::size_t count_seen(const std::vector<Profile>& profiles, const Measurements& measurements,
                       const Judgement& judgement);

/// Writes percentages over each other where a person watches; else empty.
std::function<void(std::size_t, std::size_t, const std::string&)> progress_of(const Console& console);

}  // namespace moesaic
