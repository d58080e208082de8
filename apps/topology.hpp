// moesaic topology: the catalog of topologies, and what one of them is like.
#pragma once

#include <string>

namespace CLI {
class App;
}

namespace moesaic {

struct TopologyOptions {
  std::string name;  ///< empty: the list
  std::string format = "text";
  std::string output_file;
};

/// Adds the command, bound to `options`.
CLI::App* add_topology_command(CLI::App& app, TopologyOptions& options);

/// What the command prints. `command` is the line that was typed; `rich`: for a terminal. Throws UserError.
std::string topology_result(const TopologyOptions& options, const std::string& command, bool rich);

}  // namespace moesaic
