#include "calibrate/measurement_text.hpp"

#include <fmt/format.h>

#include "base/error.hpp"

namespace moesaic {

MeasurementKey own_key(const std::array<std::string_view, 6>& texts) {
  MeasurementKey key;
  try {
    key.family = parse_family(texts[0]);
  } catch (const UserError& error) {
    throw BadRow(error.what());
  }
  key.device = texts[1];
  key.stack = texts[2];
  key.dtype = texts[3];
  key.kv_dtype = texts[4];
  key.kernel = texts[5];
  for (std::size_t i = 1; i < 4; ++i) {
    if (texts[i].empty()) {
      throw BadRow(fmt::format("{}: is empty", kKeyColumns[i]));
    }
  }
  return key;
}

}  // namespace moesaic
