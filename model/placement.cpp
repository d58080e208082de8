#include "model/placement.hpp"

#include <algorithm>
#include <array>

#include "base/catalog.hpp"
#include "base/error.hpp"
#include "base/nearest.hpp"
#include "model/hybrid_description.hpp"
#include "model/near_memory_description.hpp"

namespace moesaic {
namespace {

struct Registered {
  std::string_view name;
  std::string_view description;
  PlacementPointer (*make)();
};

constexpr std::array kPlacements = {
    Registered{"resident", "weights, cache and all computation on the device", resident_placement},
};

/// The file of a placement that is not registered. Throws UserError with the nearest name.
Config placement_file(const std::string& name);

}  // namespace

std::optional<HybridDescription> find_hybrid(const std::string& name, const std::vector<std::string>& changes) {
  const bool registered = std::any_of(kPlacements.begin(), kPlacements.end(),
                                      [&](const Registered& placement) { return placement.name == name; });
  if (registered) {
    return std::nullopt;
  }
  const Config file = placement_file(name);
  return file.has("units") ? std::nullopt : std::optional(with_changes(read_hybrid(file), changes));
}

PlacementPointer make_placement(const std::string& name, const std::vector<std::string>& sets) {
  for (const Registered& placement : kPlacements) {
    if (placement.name == name) {
      if (!sets.empty()) {
        throw UserError("--set: placement '" + name + "' has no settings; those of configs/placements have");
      }
      return placement.make();
    }
  }
  const Config file = placement_file(name);
  if (file.has("units")) {
    return near_memory_placement(with_changes(read_near_memory(file), sets));
  }
  return hybrid_placement(with_changes(read_hybrid(file), sets));
}

namespace {

Config placement_file(const std::string& name) {
  std::vector<std::string> names;
  const std::vector<CatalogEntry> catalog = list_catalog("placements");
  names.reserve(catalog.size() + kPlacements.size());
  for (const CatalogEntry& entry : catalog) {
    names.push_back(entry.name);
  }
  const bool known = std::find(names.begin(), names.end(), name) != names.end();
  if (!known && !name.ends_with(".json")) {
    for (const Registered& placement : kPlacements) {
      names.emplace_back(placement.name);
    }
    throw UserError("--placement: unknown placement '" + printable(name) + "'" + suggest(name, names));
  }
  return Config::load(find_in_catalog("placements", "placement", name).file);
}

}  // namespace

std::vector<PlacementSummary> list_placements() {
  const std::vector<CatalogEntry> catalog = list_catalog("placements");
  std::vector<PlacementSummary> result;
  result.reserve(catalog.size() + kPlacements.size());
  for (const Registered& placement : kPlacements) {
    result.push_back({std::string(placement.name), std::string(placement.description)});
  }
  for (const CatalogEntry& entry : catalog) {
    result.push_back({entry.name, Config::load(entry.file).string_or("description", "")});
  }
  return result;
}

void Placement::begin_layer(LayerWriter&, const LayerWeights&) const {}
void Placement::end_batch(LayerWriter&) const {}

}  // namespace moesaic
