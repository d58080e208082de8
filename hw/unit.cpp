#include <algorithm>
#include <span>

#include "base/error.hpp"
#include "hw/machine.hpp"

namespace moesaic {
namespace {

using enum DType;

// From narrow to wide. Where integers are not supported their values are computed as floating point.
constexpr DType kFloats[] = {fp4, fp6, fp8, bf16, fp16, tf32, fp32, fp64};
constexpr DType kIntegers[] = {int4, int8, bf16, fp16, tf32, fp32, fp64};

}  // namespace

const Unit* Device::apart() const {
  const auto found = std::find_if(units.begin(), units.end(), [](const Unit& unit) { return unit.memory.has_value(); });
  return found == units.end() ? nullptr : &*found;
}

DType Unit::arithmetic(DType wanted) const {
  const auto supported = [this](DType dtype) { return peak[static_cast<std::size_t>(dtype)].value > 0; };
  if (supported(wanted)) {
    return wanted;
  }
  const bool integer = wanted == int4 || wanted == int8;
  const std::span<const DType> order = integer ? std::span<const DType>(kIntegers) : std::span<const DType>(kFloats);
  // bf16 and fp16 are equally wide, so each may stand in for the other.
  const auto place = std::find(order.begin(), order.end(), wanted == fp16 ? bf16 : wanted);
  if (const auto wider = std::find_if(place, order.end(), supported); wider != order.end()) {
    return *wider;
  }
  for (auto narrower = place; narrower != order.begin();) {
    if (supported(*--narrower)) {
      return *narrower;
    }
  }
  const auto any = std::find_if(peak.begin(), peak.end(), [](FlopsPerSecond rate) { return rate.value > 0; });
  MOESAIC_ASSERT(any != peak.end());
  return static_cast<DType>(any - peak.begin());
}

}  // namespace moesaic
