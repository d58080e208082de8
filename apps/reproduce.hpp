// moesaic reproduce: published numbers beside predicted ones.
#pragma once

#include <string>
#include <vector>

#include "apps/validate.hpp"

namespace moesaic {

struct ReproduceOptions {
  std::vector<std::string> systems;  ///< names or groups of studies, beginnings of them, or files; empty: all
  bool list = false;
  std::string format = "text";
  std::string output_file;
};

CLI::App* add_reproduce_command(CLI::App& app, ReproduceOptions& options);

/// Throws UserError.
void run_reproduce(const ReproduceOptions& options, const std::string& command, const Console& console);

}  // namespace moesaic
