// A cost model with an engine's own kernels, launches and handovers.
#pragma once

#include <string>

#include "calibrate/cost_model.hpp"

namespace moesaic {

/// `base` with an engine's kernels (calibrate/engine_kernels.hpp) and terms, in the place of those that it has in
/// general. `name_or_file`: of configs/software; `device`: whose hosts set the pace of host work. Throws UserError with
/// the nearest name.
CostModelPointer engine_cost_model(CostModelPointer base, const std::string& name_or_file, const std::string& device);

}  // namespace moesaic
