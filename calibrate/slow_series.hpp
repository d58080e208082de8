// Measured configurations in which an engine ran another, much slower kernel than in all others of the same model.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "calibrate/measurement.hpp"

namespace moesaic {

/// Whether each row belongs to a slow series: one configuration (all columns of the shape but the last) whose median
/// deviation is at least log(3) above the lower quartile of the configurations of its group. `deviations`: logarithms
/// of measured time over an expectation that suits every configuration alike.
///
/// TensorRT-LLM 1.3.0rc20 on H100 takes five to eight times as long for one pair of a model and a parallel split but
/// not for the next, for all numbers of tokens alike, as if its tuner had fallen back to a default tactic. No shape
/// tells where, so a fit can learn nothing from such series but wrong times for others.
std::vector<bool> in_slow_series(std::span<const ShapeValues> shapes, std::span<const std::uint32_t> groups,
                                 std::span<const double> deviations);

}  // namespace moesaic
