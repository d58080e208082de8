// Drawing values inside a rapidcheck property.
#pragma once

#include <rapidcheck.h>

#include <cstdint>
#include <initializer_list>
#include <vector>

namespace moesaic {

template <class T>
T any_of(std::initializer_list<T> values) {
  return *rc::gen::elementOf(std::vector<T>(values));
}

inline bool coin() { return *rc::gen::arbitrary<bool>(); }

/// 1 to `most`.
inline std::int64_t up_to(std::int64_t most) { return *rc::gen::inRange<std::int64_t>(1, most + 1); }

}  // namespace moesaic
