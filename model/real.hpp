// Counts in formulas of real numbers.
#pragma once

#include <cstdint>

namespace moesaic {

/// `count` as a factor of work, bytes or parameters; exact up to 2^53.
constexpr double real(std::int64_t count) { return static_cast<double>(count); }

}  // namespace moesaic
