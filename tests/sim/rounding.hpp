// By how much sums may differ that are added in another order.
#pragma once

namespace moesaic {

inline constexpr double kRounding = 1e-9;  ///< relative, or of times of about a second

}  // namespace moesaic
