// What people read of a serving run.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "reports/deployed.hpp"
#include "reports/report.hpp"
#include "sim/sustainable_rate.hpp"

namespace moesaic {

struct ServingReport {
  Deployed deployed;
  ServingLoad load;
  std::string trace;  ///< the file that lengths come from; empty: distributions
  ServingRecord record;
  ServingFigures figures;
  std::vector<ServingGoal> goals;
  std::optional<SustainableRate> search;  ///< then `record` and `figures` are those at the rate that was found
};

/// A latency by its name, as text, page and JSON have it in the same order.
struct NamedTimes {
  std::string key;  ///< "ttft"
  std::string name;
  TimeFigures times;
};
std::vector<NamedTimes> named_times(const ServingFigures& figures);

/// The question in lines for people: what is served on what; under which load; what counts; how steps are filled.
std::vector<std::string> serving_question(const ServingReport& report);
/// What is not a latency: (name, value, remark).
std::vector<std::vector<std::string>> serving_facts(const ServingReport& report);

std::string serving_text(const ServingReport& report, const TextStyle& style);
/// The contract of configs/schema/serving.json.
std::string serving_json(const ServingReport& report);
/// One line for each counted request that has ended, by arrival; times in seconds since the run began.
std::string serving_csv(const ServingReport& report);
std::string serving_page(const ServingReport& report, const std::string& command);

}  // namespace moesaic
