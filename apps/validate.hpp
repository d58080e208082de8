// moesaic validate: judges predictions by measurements.
#pragma once

#include <iosfwd>
#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace moesaic {

/// `moesaic validate operators` in the words of the command line.
struct ValidateOperatorsOptions {
  std::vector<std::string> data, profiles, train, transfers, kinds;
  bool leave_out = false;
  std::string device, stack;  ///< patterns; empty: all
  std::string format = "text";
  std::string output_file, json_file, csv_file, html_file;
};

/// `moesaic validate steps` in the words of the command line.
struct ValidateStepsOptions {
  std::string data;                  ///< folder; empty: the default one
  std::string device, stack, model;  ///< patterns; empty: all
  bool refit = false;
  std::string format = "text";
  std::string output_file, json_file, csv_file, html_file;
};

/// `moesaic validate collectives` in the words of the command line.
struct ValidateCollectivesOptions {
  std::vector<std::string> data, profiles, train;
  std::string leave_out;      ///< "shape", "size", "ranks"; empty: see JudgeOptions
  std::string device, stack;  ///< patterns; empty: all
  std::string format = "text";
  std::string output_file, json_file, csv_file, html_file;
};

/// `moesaic validate hybrid` in the words of the command line.
struct ValidateHybridOptions {
  std::string data;  ///< folder; empty: the default one
  std::string tables = "hybrid";
  std::string group;  ///< pattern; empty: all
  std::string format = "text";
  std::string output_file, json_file, csv_file;
};

struct ValidateOptions {
  ValidateOperatorsOptions operators;
  ValidateStepsOptions steps;
  ValidateCollectivesOptions collectives;
  ValidateHybridOptions hybrid;
};

/// Adds "validate" with its subcommands; add_subcommand(*validate) is one line for each of them.
CLI::App* add_validate_command(CLI::App& app, ValidateOptions& options);

/// Where a command prints, and how.
struct Console {
  std::ostream& out;
  std::ostream& err;
  bool rich = false;      ///< `out` shows colours
  bool progress = false;  ///< `err` is watched by a person
};

/// Runs the subcommand that was parsed. `command` is the line that was typed. Throws UserError.
void run_validate(const CLI::App& validate, const ValidateOptions& options, const std::string& command,
                  const Console& console);

}  // namespace moesaic
