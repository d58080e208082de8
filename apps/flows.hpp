// moesaic flows: transfers of the user's own over a machine's links or a topology, each from its own start.
#pragma once

#include <cstdint>
#include <string>

#include "apps/validate.hpp"

namespace moesaic {

struct FlowsOptions {
  std::string file, machine, topology;
  std::string fabric = "flows", routes = "spray";
  std::int64_t seed = 1;
  std::string format = "text", output_file;
};

CLI::App* add_flows_command(CLI::App& app, FlowsOptions& options);
/// Throws UserError.
void run_flows_command(const FlowsOptions& options, const Console& console);

}  // namespace moesaic
