// Memory-bound work on activations.
#include "calibrate/kernel_model.hpp"

namespace moesaic {

KernelPoint elementwise_point(const KernelSetting& setting, const ShapeValues& shape) {
  const double width = shape[0], tokens = shape[1];
  const bool quantizes = setting.family == Family::quantize;
  const double bytes = width * tokens * (quantizes ? 3 : 4);
  KernelPoint point;
  point.terms.memory = bytes * setting.machine.seconds_per_byte;
  point.terms.footprint = bytes;
  point.features = {static_cast<float>(width), static_cast<float>(tokens), static_cast<float>(bytes)};
  return point;
}

}  // namespace moesaic
