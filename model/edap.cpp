#include "model/edap.hpp"

#include <algorithm>

#include "base/error.hpp"

namespace moesaic {

std::string_view to_text(CountedArea counted) { return counted == CountedArea::memory ? "memory" : "unit"; }

std::string_view missing_for_edap(const Unit& unit, const Memory& memory, CountedArea counted) {
  if (!unit.area.known()) {
    return "area";
  }
  if (!unit.energy) {
    return "energy";
  }
  return counted == CountedArea::memory && !memory.area.known() ? "memory.area" : "";
}

Edap edap(const Unit& unit, const Memory& memory, FlopsPerByte intensity, CountedArea counted) {
  MOESAIC_ASSERT(missing_for_edap(unit, memory, counted).empty());
  constexpr Bytes kByte{1};
  const Flops operations = intensity * kByte;
  const FlopsPerSecond peak = unit.peak[static_cast<std::size_t>(unit.arithmetic(DType::fp16))];
  return {unit.energy->memory * kByte + unit.energy->arithmetic * operations,
          std::max(kByte / unit.memory_bandwidth, operations / peak),
          unit.area.total() + (counted == CountedArea::memory ? memory.area.total() : Area{})};
}

}  // namespace moesaic
