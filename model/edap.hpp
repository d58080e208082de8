// Energy x delay x area of a unit that computes on data from its memory (Duplex, arXiv:2409.01141, figure 8): what a
// byte costs on its way and in arithmetic, how long it takes, and the silicon that does it.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "hw/machine.hpp"

namespace moesaic {

/// Which silicon counts.
enum class CountedArea : std::uint8_t {
  memory,  ///< the dies of the memory with what the unit adds to them
  unit     ///< what the unit adds
};
std::string_view to_text(CountedArea counted);

/// Of one byte of memory, at peak rates.
struct Edap {
  Joules energy;  ///< moving it, and the operations on it
  Seconds delay;  ///< the longer of moving and computing
  Area area;
  double product() const { return energy.value * delay.value * area.value; }  ///< J s m2
};

/// `intensity`: operations for each byte, in 16-bit floating point. Needs the unit's energy and the areas that count.
Edap edap(const Unit& unit, const Memory& memory, FlopsPerByte intensity, CountedArea counted);
/// What of these the unit's file does not say, in words of the file; empty: nothing.
std::string_view missing_for_edap(const Unit& unit, const Memory& memory, CountedArea counted);

}  // namespace moesaic
