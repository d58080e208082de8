// The options that predict, compare and explain share.
#pragma once

#include <string>

#include "apps/scenario.hpp"

namespace CLI {
class App;
}

namespace moesaic {

struct CommonOptions {
  ScenarioList list;
  std::string format = "text";
  std::string output_file;
};

/// Adds model, machine, mapping, load and output options to a command.
void add_common_options(CLI::App& command, CommonOptions& options);

}  // namespace moesaic
