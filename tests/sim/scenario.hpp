// Random and shipped deployments for the tests of predictions.
#pragma once

#include <string>
#include <vector>

#include "sim/predict.hpp"

namespace moesaic {

struct Scenario {
  Deployment deployment;
  Load load;
  std::string routing;  ///< as StepPlan takes it
  std::string text;     ///< for messages
};

/// Which cost models a property ranges over.
enum class Costs {
  any,       ///< all below
  peak,      ///< peak rates only
  formulas,  ///< peak rates, and efficiencies of every size
  measured,  ///< the shipped profiles nearest to the machine
};

/// What a property ranges over.
struct Range {
  /// Of these one; steps of "resident" are one chain.
  std::vector<std::string> placements = {"resident", "resident", "two-unit", "streamed"};
  Costs costs = Costs::any;
  bool any_figures = true;        ///< false: machines as shipped
  bool one_device = false;        ///< true: a replica is one device
  bool enough_memory = false;     ///< true: the machine is given what the whole load needs
  bool chunked_prefill = true;    ///< false: every prompt of the batch in one step
  bool every_mapping = false;     ///< true: pipeline and context parallelism, capacity factors and overlap too
  std::int64_t most_batch = 600;  ///< large ones may not fit
  std::int64_t most_output = 400;
};

/// Inside a rapidcheck property: random layers of every kind, on a shipped machine with every figure scaled by 1/4 to
/// 4, under a mapping and a placement that are valid for both.
Scenario any_scenario(const Range& range = {});

Deployment deployment(const std::string& model, const std::string& machine, const Mapping& mapping = {},
                      const std::string& placement = "resident", const CostModelPointer& cost = default_cost_model());

/// The shipped profile with its fractions multiplied (kept at most 1), and its overheads.
CostModelPointer scaled_profile(double fractions, double launches, Seconds step_overhead);

}  // namespace moesaic
