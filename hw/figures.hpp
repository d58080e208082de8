// The hardware figures that a prediction can depend on, each with its configuration path: the handles for elasticities.
#pragma once

#include <string>
#include <vector>

#include "hw/machine.hpp"

namespace moesaic {

/// One adjustable figure of a machine.
struct HardwareFigure {
  std::string path;     ///< as for --set, e.g. "device.memory.bandwidth", "device.units.gpu.peak.bf16"
  bool more_is_better;  ///< false for latencies
};

/// All figures of this machine that are not zero: peaks per unit and format, memory bandwidths and capacities, link
/// bandwidths and latencies, launch latencies.
std::vector<HardwareFigure> hardware_figures(const Machine& machine);

/// A copy with one figure multiplied by `factor`. The path must be one of hardware_figures().
Machine scale_figure(const Machine& machine, const std::string& path, double factor);

}  // namespace moesaic
