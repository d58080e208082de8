// Ways to the data of a stacked DRAM: which banks one command reads, how fast commands follow, what a bit costs.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "hw/dram/dram.hpp"

namespace moesaic {

/// Banks that one command opens, reads and closes together are a bundle; a bank alone is one too. A stream's addresses
/// run over `interleave` bundles access by access (a stripe: one row of each), then over `turns` such sets stripe by
/// stripe.
struct AccessPath {
  std::string name;
  int banks = 1;                  ///< of a bundle, all in one rank
  std::int64_t spacing = 1;       ///< cycles between two commands of a pseudo channel that move data
  std::int64_t rank_spacing = 1;  ///< of one rank
  int interleave = 1;             ///< bundles, the ranks in turn if a bundle has several banks
  int turns = 1;                  ///< sets of bundles
  std::vector<DramStep> steps;    ///< that a bit passes once its row is open
};

/// "external", "buffer", "logic-pim", "bank-group", "bank".
const std::vector<std::string>& access_path_names();
/// The path of that name in this memory. Throws UserError with the nearest name.
AccessPath access_path(std::string_view name, const Dram& dram);
/// A name, or an object: "path" with the name, and what is different (configs/schema/access_path.json). Throws
/// UserError.
AccessPath read_access_path(const Config& config, const Dram& dram);
/// The same path where power allows a command on all banks of a rank only every `cycles` cycles instead of every nCCDL:
/// the spacings of bundles of several banks grow alike. Single banks stay as they are.
AccessPath with_power_limit(AccessPath path, const Dram& dram, std::int64_t cycles);

/// Bundles of one pseudo channel.
int bundles(const AccessPath& path, const Dram& dram);

/// Cycles from one access of a stripe to the next in a pseudo channel, while rows are open and no refresh is due.
double access_cycles(const Dram& dram, const AccessPath& path);
/// Of the whole device while rows are open and no refresh is due, if the queue shows it enough ranks and bank groups.
BytesPerSecond nominal(const Dram& dram, const AccessPath& path);
/// Share of `nominal` that long streams of reads attain, by simulation of commands (a few milliseconds).
double attained_share(const Dram& dram, const AccessPath& path);
/// Of long streams of reads: the steps of the path, and rows opened (also those that a refresh closed).
JoulesPerByte energy(const Dram& dram, const AccessPath& path);
/// The steps of the path without opening of rows.
JoulesPerByte column_energy(const Dram& dram, const AccessPath& path);

}  // namespace moesaic
