// What a report is about: a model on a machine, in words.
#pragma once

#include <cstdint>
#include <string>

#include "sim/predict.hpp"

namespace moesaic {

struct Deployed {
  std::string model, machine, mapping, placement, precision, cost_model;
  std::int64_t devices = 1;
};
Deployed deployed(const Deployment& deployment);

/// "Mixtral-8x7B on 4 devices of dgx-h100, tp=4,ep=1,dp=1"
std::string deployed_line(const Deployed& what);

}  // namespace moesaic
