#include "apps/topology.hpp"

#include <CLI/CLI.hpp>

#include "apps/options.hpp"
#include "base/error.hpp"
#include "reports/topology_report.hpp"

namespace moesaic {

CLI::App* add_topology_command(CLI::App& app, TopologyOptions& options) {
  CLI::App* command =
      app.add_subcommand("topology", "How nodes are joined: parts, distances, bisection, cost and a picture");
  command->add_option("name,--name", options.name,
                      "Topology, part of its name, or file; without it the catalog is listed");
  add_output_options(*command, options.format, options.output_file, {"text", "json", "html"});
  command->footer(
      "Example:\n  moesaic topology dgx-h100-superpod\n  moesaic topology ft2-64 --format html -o ft2.html");
  return command;
}

std::string topology_result(const TopologyOptions& options, const std::string& command, bool rich) {
  if (options.name.empty()) {
    if (options.format != "text") {
      throw UserError("--format: the list of topologies is text; name one for json or html");
    }
    return topology_list_text();
  }
  const TopologyReport report = report_topology(options.name);
  if (options.format == "html") {
    return topology_page(report, command);
  }
  return options.format == "json" ? topology_json(report)
                                  : topology_text(report, {.rich = rich && options.output_file.empty()});
}

}  // namespace moesaic
