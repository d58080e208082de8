// What a serving run comes to: latencies as percentiles, throughput, how full the batch was.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "sim/admission.hpp"

namespace moesaic {

/// Percentiles interpolate between order statistics, as percentile() of base/statistics.hpp.
struct TimeFigures {
  Seconds mean{}, p50{}, p90{}, p99{};
};
/// Of a sample that is not empty.
TimeFigures time_figures(const std::vector<double>& seconds);

struct ServingFigures {
  TimeFigures ttft;                 ///< from arrival to the first token (some papers: T2FT)
  TimeFigures end_to_end;           ///< from arrival to the last token
  TimeFigures queueing;             ///< from arrival to the first step that works on the prompt
  std::optional<TimeFigures> tbt;   ///< between a token and the next one, over all tokens; none: answers are one token
  std::optional<TimeFigures> tpot;  ///< mean of these of one request, over requests
  PerSecond output_tokens;
  PerSecond total_tokens;  ///< prompts included
  PerSecond requests;
  double mean_running = 0;  ///< requests admitted and not ended, over time
  double mixed_share = 0;   ///< of all steps: decodes with prompts
  double prompt_share = 0;  ///< of all steps: prompts alone
  double mean_input = 0, mean_output = 0;
};
/// Of the counted requests that have ended. Throws UserError if none has.
ServingFigures serving_figures(const ServingRecord& record);

/// A figure and the longest that it may be: "ttft.p99" at most 2 s.
struct ServingGoal {
  enum class Figure : std::uint8_t { ttft, tbt, tpot, end_to_end };
  enum class Statistic : std::uint8_t { mean, p50, p90, p99 };
  Figure figure = Figure::ttft;
  Statistic statistic = Statistic::p99;
  Seconds most{};
};
/// "tpot=50ms,ttft.p90=2s"; without a statistic it is p99. Throws UserError with the nearest name.
std::vector<ServingGoal> parse_serving_goals(const std::string& text);
std::string to_text(const ServingGoal& goal);
/// Zero where there is no such figure.
Seconds value_of(const ServingFigures& figures, const ServingGoal& goal);
bool holds(const ServingFigures& figures, const std::vector<ServingGoal>& goals);

}  // namespace moesaic
