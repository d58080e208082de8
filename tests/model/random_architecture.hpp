// Random networks for property tests.
#pragma once

#include "model/architecture.hpp"

namespace moesaic {

/// Inside a rapidcheck property: one to eight layers of up to three kinds, of every kind there is, in sizes that real
/// networks have, stored in any format.
Architecture any_architecture();

}  // namespace moesaic
