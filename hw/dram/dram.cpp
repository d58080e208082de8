#include "hw/dram/dram.hpp"

#include "base/error.hpp"

namespace moesaic {

std::string_view to_text(DramStep step) {
  constexpr std::array<std::string_view, kDramStepCount> kNames = {
      "activate", "cell", "column", "global", "tsv", "interposer", "bank_wire", "power_tsv_wire"};
  const auto index = static_cast<std::size_t>(step);
  MOESAIC_ASSERT(index < kNames.size());
  return kNames[index];
}

Bytes Dram::capacity() const {
  return Bytes{1.0 * channels() * ranks * banks() * static_cast<double>(rows) * static_cast<double>(row)};
}

BytesPerSecond Dram::peak() const {
  return Bytes{static_cast<double>(access) * channels()} / (clock_period * static_cast<double>(timing.nCCDS));
}

}  // namespace moesaic
