// Private to calibrate: what the CSV and the JSON lines of our own format have in common.
#pragma once

#include <array>
#include <string_view>

#include "calibrate/csv.hpp"
#include "calibrate/measurement.hpp"

namespace moesaic {

inline constexpr std::array<std::string_view, 6> kKeyColumns = {"operator", "device",   "stack",
                                                                "dtype",    "kv_dtype", "kernel"};

/// The texts of kKeyColumns.
inline std::array<std::string_view, 6> own_texts(const MeasurementKey& key) {
  return {name(key.family), key.device, key.stack, key.dtype, key.kv_dtype, key.kernel};
}

/// The key of such texts. Throws BadRow.
MeasurementKey own_key(const std::array<std::string_view, 6>& texts);

}  // namespace moesaic
