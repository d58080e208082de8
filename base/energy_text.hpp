// Energies as people write them: "0.909 nJ", and of what moves "0.44 pJ/b" (a bit) or "3.5 pJ/B".
#pragma once

#include "base/quantity_text.hpp"

namespace moesaic {

template <>
Joules parse_quantity<Joules>(std::string_view text);
template <>
JoulesPerByte parse_quantity<JoulesPerByte>(std::string_view text);

}  // namespace moesaic
