// moesaic overlap: one MoE layer in chunks, or a sweep over many.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace moesaic {

struct OverlapOptions {
  /// Each a time, or "START+REST": what every chunk takes, and what chunks divide.
  std::string all_to_all = "0 s", all_gather = "0 s", reduce_scatter = "0 s", experts = "0 s", gradients = "0 s";
  std::string attention = "0 s";
  double backward = 2;
  std::vector<std::string> policies;  ///< empty: all
  std::string baseline = "tutel";
  std::string chunks = "best";
  std::int64_t most_chunks = 16;
  std::string sweep;  ///< file
  std::string format = "text", output_file;
};

CLI::App* add_overlap_command(CLI::App& app, OverlapOptions& options);
/// Throws UserError. JSON is the contract of configs/schema/overlap.json, of a sweep configs/schema/overlap_sweep.json.
std::string overlap_result(const OverlapOptions& options, bool rich);

}  // namespace moesaic
