#include "model/offload/hierarchical_roofline.hpp"

#include <algorithm>

namespace moesaic {

FlopsPerSecond attainable(const RooflineLevel& level, FlopsPerByte intensity) {
  return std::min(level.peak, level.bandwidth * intensity);
}

FlopsPerSecond attainable(const HierarchicalRoofline& roofline, FlopsPerByte upper, FlopsPerByte lower) {
  return std::min(attainable(roofline.upper, upper), roofline.link * lower);
}

FlopsPerByte lower_turning_point(const HierarchicalRoofline& roofline) {
  return roofline.lower.bandwidth < roofline.link ? FlopsPerByte{} : roofline.lower.peak / roofline.link;
}

FlopsPerByte link_turning_point(const HierarchicalRoofline& roofline, FlopsPerByte upper) {
  return attainable(roofline.upper, upper) / roofline.link;
}

FlopsPerByte balance_point(const HierarchicalRoofline& roofline, FlopsPerByte upper) {
  return roofline.upper.bandwidth * upper / roofline.link;
}

}  // namespace moesaic
