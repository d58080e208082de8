#include "apps/edap.hpp"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cmath>

#include "apps/options.hpp"
#include "base/error.hpp"
#include "reports/edap.hpp"

namespace moesaic {
namespace {

constexpr double kLeast = 1e-3, kMost = 1e6;

}  // namespace

CLI::App* add_edap_command(CLI::App& app, EdapOptions& options) {
  CLI::App* command = app.add_subcommand("edap", "Units near memory: energy x delay x area over arithmetic intensity");
  command
      ->add_option("--machine", options.machines,
                   "Machines whose units say their area (default bank-pim,bank-group-pim,duplex)")
      ->delimiter(',')
      ->type_name("NAME|FILE");
  command
      ->add_option("--intensity", options.intensities,
                   "Operations for each byte of memory; lists are separated by commas (default 1,2,4,8,16,32)")
      ->delimiter(',')
      ->type_name("F");
  command
      ->add_option(
          "--area", options.area,
          "Silicon that counts: memory (its dies with what the unit adds to them, default), unit (what it adds)")
      ->check(CLI::IsMember({"memory", "unit"}))
      ->type_name("WHICH");
  add_output_options(*command, options.format, options.output_file, {"text", "json", "html"});
  command->footer("Example:\n  moesaic edap --machine duplex,bank-pim --intensity 1,4,16 --area unit");
  return command;
}

std::string edap_result(const EdapOptions& options, const std::string& command, bool rich) {
  std::vector<FlopsPerByte> intensities;
  for (const double intensity : options.intensities) {
    if (!(intensity >= kLeast && intensity <= kMost)) {
      throw UserError(fmt::format("--intensity: found {}, allowed are {} to {}", intensity, kLeast, kMost));
    }
    intensities.push_back({intensity});
  }
  std::vector<Machine> machines;
  for (const std::string& name : options.machines) {
    try {
      machines.push_back(read_machine(load_machine_config(name)));
    } catch (const UserError& error) {
      throw UserError(fmt::format("--machine: {}", error.what()));
    }
  }
  const EdapReport report =
      report_edap(machines, intensities, options.area == "unit" ? CountedArea::unit : CountedArea::memory);
  if (options.format == "html") {
    return edap_page(report, command);
  }
  return options.format == "json" ? edap_json(report) : edap_text(report, {.rich = rich});
}

}  // namespace moesaic
