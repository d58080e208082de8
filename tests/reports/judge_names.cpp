// Stands in for judge.cpp until it exists.
#include "calibrate/judge.hpp"
namespace moesaic {
std::string_view name(JudgeMode mode) {
  constexpr std::string_view kNames[] = {"profile", "trained", "left_out", "borrowed"};
  return kNames[static_cast<int>(mode)];
}
}  // namespace moesaic
