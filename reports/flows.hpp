// What people read of flows of their own.
#pragma once

#include <string>
#include <vector>

#include "hw/routing.hpp"
#include "reports/report.hpp"
#include "sim/flows.hpp"

namespace moesaic {

struct FlowsReport {
  std::string where;  ///< the machine or topology
  std::string model;  ///< "flows" or "simgrid"
  std::vector<Demanded> flows;
  std::vector<double> start;    ///< seconds
  std::vector<double> latency;  ///< seconds
  FlowTimes times;
  Seconds bound;  ///< the busiest channel alone, all starts at zero
};

std::string flows_text(const FlowsReport& report, const TextStyle& style);
/// The contract of configs/schema/flows.json.
std::string flows_json(const FlowsReport& report);

}  // namespace moesaic
