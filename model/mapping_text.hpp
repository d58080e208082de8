// Mappings as --map takes them, for a network.
#pragma once

#include <optional>
#include <string_view>

#include "model/mapping.hpp"

namespace moesaic {

/// As parse_mapping(), whose message about a wrong product then names the nearest mapping that this network takes too.
Mapping parse_mapping_of(const Architecture& architecture, std::string_view text, std::optional<int> devices,
                         FreeDegree free = FreeDegree::tensor);

}  // namespace moesaic
