// What people read of one collective on a machine.
#pragma once

#include <string>
#include <vector>

#include "reports/report.hpp"
#include "sim/fabric.hpp"

namespace moesaic {

struct CollectiveReport {
  std::string machine;
  std::string what;  ///< "all_reduce of 1.00 GB", "dispatch of 128 tokens"
  int ranks = 1;
  int nodes = 1;
  int groups = 1;
  std::string model;
  FabricTime time;
  Bytes message;  ///< what bandwidths are counted of: the message, or the rows of an exchange as if all were sent
  double bus_factor = 1;           ///< of the bus bandwidth of nccl-tests: 2(n-1)/n of an all-reduce, ...
  std::vector<FabricTime> others;  ///< closed forms of all algorithms
};

std::string collective_text(const CollectiveReport& report, const TextStyle& style);
/// The contract of configs/schema/collective.json.
std::string collective_json(const CollectiveReport& report);

}  // namespace moesaic
