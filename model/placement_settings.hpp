// Private to model: "PATH=VALUE" changes of a placement's description.
#pragma once

#include <string>
#include <vector>

#include "base/config.hpp"
#include "base/error.hpp"

namespace moesaic {

/// Throws UserError where a path is unknown.
inline Config with_settings(Config config, const std::vector<std::string>& changes) {
  for (const std::string& change : changes) {
    const auto equals = change.find('=');
    MOESAIC_ASSERT(equals != std::string::npos);
    config = config.set(change.substr(0, equals), change.substr(equals + 1));
  }
  return config;
}

}  // namespace moesaic
