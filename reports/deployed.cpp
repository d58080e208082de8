#include "reports/deployed.hpp"

#include <fmt/format.h>

namespace moesaic {

Deployed deployed(const Deployment& deployment) {
  const StepPlan& plan = deployment.plan;
  return {.model = plan.architecture().name,
          .machine = plan.machine().name,
          .mapping = to_text(plan.mapping()),
          .placement = std::string(plan.placement().name()),
          .precision = to_text(plan.precision()),
          .cost_model = cost_name(deployment),
          .devices = plan.mapping().devices()};
}

std::string deployed_line(const Deployed& what) {
  return fmt::format("{} on {} device{} of {}, {}", what.model, what.devices, what.devices == 1 ? "" : "s",
                     what.machine, what.mapping);
}

}  // namespace moesaic
