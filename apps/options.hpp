// Options that commands share.
#pragma once

#include <initializer_list>
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

/// Adds model, machine, mapping, load and output options to a command: those of predict, compare and explain.
void add_common_options(CLI::App& command, CommonOptions& options);

/// Of commands about one deployment under a load of their own: model, machine, devices and mapping come first, how it
/// runs and what-ifs last.
void add_deployment_options(CLI::App& command, Scenario& scenario, std::string& devices);
void add_running_options(CLI::App& command, Scenario& scenario);

/// Adds --format, one of `formats`, and -o.
void add_output_options(CLI::App& command, std::string& format, std::string& file,
                        std::initializer_list<const char*> formats);

}  // namespace moesaic
