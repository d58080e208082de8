// The shipped configuration files, found by name.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace moesaic {

/// The folder `configs/`: $MOESAIC_CONFIGS, else beside the installed program, else the source tree's.
std::filesystem::path config_directory();

/// One named file of a catalog folder. The name is the file's stem, with "--" standing for "/" (Hugging Face ids).
struct CatalogEntry {
  std::string name;
  std::filesystem::path file;
};

/// All *.json below configs/FOLDER, sorted by name.
std::vector<CatalogEntry> list_catalog(std::string_view folder);

/// Resolves what a user typed: an existing file path (anything with a '/' that exists, or ending in .json), an exact
/// name, or any unambiguous part of a name (case-insensitive; blanks are hyphens). `kind` is the word for messages
/// ("model", "machine"). Throws UserError with the nearest names, or the candidates when ambiguous.
CatalogEntry find_in_catalog(std::string_view folder, std::string_view kind, const std::string& typed);

}  // namespace moesaic
