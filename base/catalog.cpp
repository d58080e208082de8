#include "base/catalog.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <functional>
#include <system_error>

#include "base/error.hpp"
#include "base/nearest.hpp"

namespace moesaic {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMostCandidates = 8;

/// Lower case, and hyphens where people type blanks: "RTX PRO 6000" is "rtx-pro-6000".
std::string folded(std::string_view text) {
  std::string result(text);
  std::transform(result.begin(), result.end(), result.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c == ' ' || c == '_' ? '-' : c;
  });
  return result;
}

bool directory_exists(const fs::path& path) {
  std::error_code error;
  return fs::is_directory(path, error);
}

bool file_exists(const fs::path& path) {
  std::error_code error;
  return fs::is_regular_file(path, error);
}

std::string name_of(const fs::path& file) {
  std::string name = file.stem().string();
  for (std::size_t at = name.find("--"); at != name.npos; at = name.find("--", at + 1)) {
    name.replace(at, 2, "/");
  }
  return name;
}

std::string_view after_slash(std::string_view name) { return name.substr(name.rfind('/') + 1); }

[[noreturn]] void refuse_ambiguous(std::string_view kind, std::string_view typed,
                                   const std::vector<CatalogEntry>& matches) {
  std::string list;
  for (std::size_t i = 0; i < std::min(matches.size(), kMostCandidates); ++i) {
    list += (i > 0 ? ", " : "") + printable(matches[i].name);
  }
  if (matches.size() > kMostCandidates) {
    list += fmt::format(" and {} more", matches.size() - kMostCandidates);
  }
  throw UserError(fmt::format("{} '{}' is ambiguous: {}", kind, printable(typed), list));
}

[[noreturn]] void refuse_unknown(std::string_view kind, const std::string& typed,
                                 const std::vector<CatalogEntry>& entries) {
  if (directory_exists(typed)) {
    const fs::path inside = fs::path(typed) / "config.json";
    throw UserError(
        fmt::format("{} '{}' is a directory, not a file{}", kind, printable(typed, 400),
                    file_exists(inside) ? fmt::format(" (did you mean '{}'?)", printable(inside.string(), 400)) : ""));
  }
  std::vector<std::string> names;
  names.reserve(entries.size());
  for (const CatalogEntry& entry : entries) {
    names.push_back(entry.name);
  }
  throw UserError(fmt::format("unknown {} '{}'{}", kind, printable(typed, 400), suggest(typed, names)));
}

}  // namespace

fs::path config_directory() {
  if (const char* chosen = std::getenv("MOESAIC_CONFIGS"); chosen != nullptr && *chosen != '\0') {
    if (!directory_exists(chosen)) {
      throw UserError(fmt::format("MOESAIC_CONFIGS is '{}', which is not a directory", printable(chosen, 400)));
    }
    return chosen;
  }
  std::error_code error;
  const fs::path program = fs::read_symlink("/proc/self/exe", error);
  if (!error) {
    fs::path beside = program.parent_path().parent_path() / "share" / "moesaic" / "configs";
    if (directory_exists(beside)) {
      return beside;
    }
  }
  return directory_exists(MOESAIC_SOURCE_CONFIGS) ? MOESAIC_SOURCE_CONFIGS : MOESAIC_INSTALL_CONFIGS;
}

std::vector<CatalogEntry> list_catalog(std::string_view folder) {
  std::vector<CatalogEntry> entries;
  const fs::path root = config_directory() / folder;
  std::error_code error;
  for (auto it = fs::recursive_directory_iterator(root, error); !error && it != fs::recursive_directory_iterator();
       it.increment(error)) {
    if (it->path().extension() == ".json" && file_exists(it->path())) {
      entries.push_back({name_of(it->path()), it->path()});
    }
  }
  if (error && error != std::errc::no_such_file_or_directory) {
    throw UserError(fmt::format("{}: {}", printable(root.string(), 400), error.message()));
  }
  std::sort(entries.begin(), entries.end(), [](const CatalogEntry& a, const CatalogEntry& b) {
    return a.name != b.name ? a.name < b.name : a.file < b.file;
  });
  return entries;
}

CatalogEntry find_in_catalog(std::string_view folder, std::string_view kind, const std::string& typed) {
  if (typed.empty()) {
    throw UserError(fmt::format("the name of the {} is empty", kind));
  }
  const std::vector<CatalogEntry> entries = list_catalog(folder);
  if (file_exists(typed)) {
    return {name_of(typed), typed};
  }
  if (typed.ends_with(".json")) {
    if (!directory_exists(typed)) {
      throw UserError(fmt::format("{}: no such file", printable(typed, 400)));
    }
    refuse_unknown(kind, typed, entries);
  }
  const std::string wanted = folded(typed);
  const std::string as_file = name_of(typed + ".json");  // "device--stack", as the file is called
  const std::function<bool(const std::string&)> rules[] = {
      [&](const std::string& name) { return name == typed || name == as_file; },
      [&](const std::string& name) { return folded(name) == wanted; },
      [&](const std::string& name) { return folded(after_slash(name)) == wanted; },
      [&](const std::string& name) { return folded(name).find(wanted) != std::string::npos; },
  };
  for (const auto& rule : rules) {
    std::vector<CatalogEntry> matches;
    std::copy_if(entries.begin(), entries.end(), std::back_inserter(matches),
                 [&](const CatalogEntry& entry) { return rule(entry.name); });
    if (matches.size() == 1) {
      return matches[0];
    }
    if (matches.size() > 1) {
      refuse_ambiguous(kind, typed, matches);
    }
  }
  refuse_unknown(kind, typed, entries);
}

}  // namespace moesaic
