#include "apps/select.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <set>

#include "base/error.hpp"
#include "base/nearest.hpp"

namespace moesaic {
namespace {

namespace fs = std::filesystem;

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool same(char a, char b) { return lower(a) == lower(b); }

bool glob(std::string_view text, std::string_view pattern) {
  std::size_t t = 0, p = 0, star = pattern.npos, resume = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      resume = t;
    } else if (p < pattern.size() && same(pattern[p], text[t])) {
      ++p;
      ++t;
    } else if (star != pattern.npos) {  // let the last star take one character more
      p = star + 1;
      t = ++resume;
    } else {
      return false;
    }
  }
  return pattern.find_first_not_of('*', p) == pattern.npos;
}

using Names = std::vector<std::string>;

/// Names of the keys that have rows, sorted.
Names names_of(const Measurements& measurements, std::string MeasurementKey::*member) {
  std::set<std::uint32_t> used;
  for (const Measurement& row : measurements.rows) {
    used.insert(row.key);
  }
  std::set<std::string> names;
  for (const std::uint32_t key : used) {
    names.insert(measurements.keys[key].*member);
  }
  return {names.begin(), names.end()};
}

void check_pattern(const std::string& option, const std::string& pattern, const Names& names) {
  const bool any =
      std::any_of(names.begin(), names.end(), [&](const std::string& name) { return matches(name, pattern); });
  if (!any) {
    throw UserError(fmt::format("{}: no measurements of '{}'{}", option, printable(pattern), suggest(pattern, names)));
  }
}

}  // namespace

fs::path default_operator_data() {
  const fs::path inside = fs::path("measured") / "operator";
  std::error_code error;
  if (const char* chosen = std::getenv("MOESAIC_DATA"); chosen != nullptr && *chosen != '\0') {
    if (!fs::is_directory(chosen / inside, error)) {
      throw UserError(
          fmt::format("MOESAIC_DATA is '{}', which has no folder measured/operator", printable(chosen, 400)));
    }
    return chosen / inside;
  }
  const fs::path beside = fs::path(MOESAIC_SOURCE_DATA) / inside;
  if (!fs::is_directory(beside, error)) {
    throw UserError(
        "no measurements: give their files or folders with --data, or set MOESAIC_DATA to the folder that "
        "has measured/operator");
  }
  return beside.lexically_normal();
}

bool matches(std::string_view text, std::string_view pattern) {
  if (pattern.find('*') != pattern.npos) {
    return glob(text, pattern);
  }
  return std::search(text.begin(), text.end(), pattern.begin(), pattern.end(), same) != text.end() || pattern.empty();
}

void select(Measurements& measurements, const Selection& selection) {
  check_pattern("--device", selection.device, names_of(measurements, &MeasurementKey::device));
  check_pattern("--stack", selection.stack, names_of(measurements, &MeasurementKey::stack));
  std::vector<bool> keep;
  for (const MeasurementKey& key : measurements.keys) {
    const auto& families = selection.families;
    const bool wanted = families.empty() || std::find(families.begin(), families.end(), key.family) != families.end();
    keep.push_back(wanted && matches(key.device, selection.device) && matches(key.stack, selection.stack));
  }
  std::erase_if(measurements.rows, [&](const Measurement& row) { return !keep[row.key]; });
  if (measurements.rows.empty()) {
    throw UserError("no measurements are left of what --device, --stack and --kind ask for together");
  }
}

std::string find_device(const Measurements& measurements, const std::string& option, const std::string& typed) {
  const Names names = names_of(measurements, &MeasurementKey::device);
  if (std::find(names.begin(), names.end(), typed) != names.end()) {
    return typed;
  }
  Names found;
  std::copy_if(names.begin(), names.end(), std::back_inserter(found),
               [&](const std::string& name) { return !typed.empty() && matches(name, typed); });
  if (found.size() == 1) {
    return found.front();
  }
  if (found.empty()) {
    throw UserError(fmt::format("{}: no measurements of '{}'{}", option, printable(typed), suggest(typed, names)));
  }
  throw UserError(fmt::format("{}: '{}' is ambiguous: {}", option, printable(typed), fmt::join(found, ", ")));
}

}  // namespace moesaic
