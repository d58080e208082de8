// The hierarchical roofline of MoE-Lightning (arXiv:2411.11217, section 3.2): a task on processor i whose data may lie
// in the memory of processor j. Equation numbers are the paper's.
#pragma once

#include "base/quantity.hpp"

namespace moesaic {

struct RooflineLevel {
  FlopsPerSecond peak;
  BytesPerSecond bandwidth;  ///< of its own memory
};

struct HierarchicalRoofline {
  RooflineLevel upper;  ///< i: GPU
  RooflineLevel lower;  ///< j: CPU
  BytesPerSecond link;  ///< from j's memory to i's
};

/// Eq 8: of one level by itself.
FlopsPerSecond attainable(const RooflineLevel& level, FlopsPerByte intensity);
/// Eq 7: on the upper level with data from the lower one. Intensities: FLOPs over the bytes touched at each level.
FlopsPerSecond attainable(const HierarchicalRoofline& roofline, FlopsPerByte upper, FlopsPerByte lower);
/// Eq 9, P1: below this intensity on the lower level it is as fast to compute there as over the link. Zero where the
/// lower level's memory is slower than the link.
FlopsPerByte lower_turning_point(const HierarchicalRoofline& roofline);
/// Eq 10, P2: below this intensity on the lower level the link is the limit.
FlopsPerByte link_turning_point(const HierarchicalRoofline& roofline, FlopsPerByte upper);
/// Eq 11: the intensity on the lower level at which link and upper memory take the same time.
FlopsPerByte balance_point(const HierarchicalRoofline& roofline, FlopsPerByte upper);

}  // namespace moesaic
