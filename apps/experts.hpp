// moesaic experts: placements of experts side by side.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace CLI {
class App;
}

namespace moesaic {

/// `moesaic experts` in the words of the command line.
struct ExpertsOptions {
  std::string model;
  std::string machine = "dgx-h100";
  std::string ranks, ranks_per_node, redundant = "0", tokens = "128";  ///< counts, read by parse_count
  std::string routing = "uniform";
  std::optional<double> affinity;  ///< makes a synthetic trace of all layers
  std::string layers, seed = "1";
  std::string groups, top_groups;  ///< empty: the model's
  std::string copies = "per-rank", replicas = "even";
  std::string dispatch;  ///< empty: the format that the model's experts compute in
  double seconds = 20, gap = 1e-3;
  std::string format = "text";
  std::string output_file;
};

CLI::App* add_experts_command(CLI::App& app, ExpertsOptions& options);

/// The report. Throws UserError.
std::string experts(const ExpertsOptions& options, bool rich);

}  // namespace moesaic
