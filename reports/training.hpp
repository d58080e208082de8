// What people read of one predicted training step.
#pragma once

#include <optional>
#include <string>

#include "model/mapping.hpp"
#include "model/training.hpp"
#include "reports/report.hpp"
#include "sim/training_advice.hpp"
#include "sim/training_prediction.hpp"

namespace moesaic {

struct TrainingReport {
  std::string model;
  std::string machine;
  std::string precision;
  std::string cost_model;
  Mapping mapping;
  Training training;
  TrainingPrediction prediction;
  std::optional<TrainingAdvice> advice{};  ///< where it does not fit
};

std::string training_text(const TrainingReport& report, const TextStyle& style);
/// The contract of configs/schema/training.json.
std::string training_json(const TrainingReport& report);

}  // namespace moesaic
