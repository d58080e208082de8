// moesaic collective: one collective or exchange of experts on a machine's links, by closed forms and as flows.
#pragma once

#include <cstdint>
#include <string>

#include "apps/validate.hpp"

namespace moesaic {

struct CollectiveOptions {
  std::string kind, machine, bytes;
  std::int64_t ranks = 0, groups = 1, shift = 1;
  std::string algorithm;  ///< empty: the fastest
  std::string fabric = "closed-form", routes = "spray";
  std::int64_t seed = 1;
  bool no_forwarding = false;
  // Of dispatch and combine.
  std::int64_t tokens = 0, hidden = 0, top_k = 0, experts = 0, expert_groups = 0, node_limit = 0, slices = 1;
  std::string exchange = "auto", routing = "uniform";
  double row_bytes = 0;
  // Achieved, as a micro-benchmark finds them.
  double link_fraction = 1, network_fraction = 1;
  std::string latency;
  std::string format = "text", output_file;
};

CLI::App* add_collective_command(CLI::App& app, CollectiveOptions& options);
/// Throws UserError.
void run_collective(const CollectiveOptions& options, const Console& console);

}  // namespace moesaic
