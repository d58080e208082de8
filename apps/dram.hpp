// moesaic dram: what the ways to the data of a stacked memory attain and cost.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace moesaic {

struct DramOptions {
  std::string memory = "hbm3-5200";
  std::vector<std::string> paths;  ///< empty: all
  std::string bytes = "112 MiB";   ///< a matrix of 4096 x 14336 in two bytes
  bool write = false, update = false;
  std::int64_t power_limit = 0, interleave = 0, turns = 0, queue = 0;  ///< 0: as path and memory have it
  std::string format = "text", output_file;
};

CLI::App* add_dram_command(CLI::App& app, DramOptions& options);
/// Throws UserError. JSON is the contract of configs/schema/dram.json.
std::string dram_result(const DramOptions& options, bool rich);

}  // namespace moesaic
