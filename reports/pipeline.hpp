// What people read of a pipeline.
#pragma once

#include <optional>
#include <string>

#include "reports/report.hpp"
#include "reports/scene.hpp"
#include "sim/pipeline.hpp"

namespace moesaic {

struct PipelineReport {
  PipelineProblem problem;
  PipelineTimes times;
  Seconds ideal{};                 ///< the busiest stage without a pause
  std::optional<Seconds> formula;  ///< of the bubble; where all runs are equal, transfers nothing, and it holds
  Seconds bubble() const { return times.total - ideal; }
  double bubble_share() const { return times.total > Seconds{} ? bubble() / times.total : 0; }
};

/// Spans are kept where `pictures` are wanted and there are few enough of them to be seen.
PipelineReport report_pipeline(const PipelineProblem& problem, bool pictures);

std::string pipeline_text(const PipelineReport& report, const TextStyle& style);
/// The contract of configs/schema/pipeline.json.
std::string pipeline_json(const PipelineReport& report);
std::string pipeline_page(const PipelineReport& report, const std::string& command);

/// Stages as rows of boxes in time.
Scene pipeline_scene(const PipelineReport& report);

}  // namespace moesaic
