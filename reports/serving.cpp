#include "reports/serving.hpp"

#include <fmt/format.h>

#include <cmath>

#include "base/error.hpp"
#include "base/quantity_text.hpp"
#include "calibrate/csv.hpp"
#include "reports/names.hpp"
#include "reports/table.hpp"

namespace moesaic {
namespace {

std::string whole(std::int64_t count) { return count_text(static_cast<double>(count)); }

/// Counted requests that have ended.
std::int64_t ended(const ServingRecord& record) {
  std::int64_t count = 0;
  for (const ServedRequest& request : record.requests) {
    count += request.ended ? 1 : 0;
  }
  return count;
}

std::string load_line(const ServingReport& report) {
  const ServingLoad& load = report.load;
  const std::string lengths = report.trace.empty() ? fmt::format("{} tokens in, {} out", to_text(load.requests.input),
                                                                 to_text(load.requests.output))
                                                   : "lengths of " + printable(report.trace, 400);
  const std::string arrivals = load.requests.rate ? fmt::format("Poisson arrivals at {} requests/s, at most {} at once",
                                                                rate_text(*load.requests.rate), whole(load.rules.batch))
                                                  : fmt::format("a closed loop of {}", whole(load.rules.batch));
  return fmt::format("{}; {}; seed {}", lengths, arrivals, load.requests.seed);
}

std::string steps_line(const AdmissionRules& rules) {
  return fmt::format("{} of at most {} tokens{}",
                     rules.exclusive ? "prompts in steps of their own" : "prompts ride on decode steps",
                     whole(rules.step_tokens), rules.whole_prompts ? ", uncut" : "");
}

std::string search_text(const ServingReport& report, const TextStyle& style) {
  const SustainableRate& search = *report.search;
  std::string text = heading("Rates that were tried", style);
  std::vector<Column> columns = {
      {"requests/s", Align::right}, {"queue grew by", Align::right}, {"kept up", Align::left}};
  for (const ServingGoal& goal : report.goals) {
    columns.push_back({fmt::format("{} <= {}", to_text(goal), to_text(goal.most)), Align::right});
  }
  Table table(columns);
  for (const TriedRate& tried : search.tried) {
    std::vector<std::string> cells = {rate_text(tried.rate), count_text(tried.grown), tried.kept_up ? "yes" : "no"};
    for (const ServingGoal& goal : report.goals) {
      cells.push_back(to_text(value_of(tried.figures, goal)));
    }
    table.add(cells);
  }
  return text + table.text(style);
}

}  // namespace

std::vector<NamedTimes> named_times(const ServingFigures& figures) {
  std::vector<NamedTimes> times = {{"ttft", "time to first token (TTFT)", figures.ttft}};
  if (figures.tbt) {
    times.push_back({"tbt", "time between tokens (TBT)", *figures.tbt});
  }
  if (figures.tpot) {
    times.push_back({"tpot", "their mean in a request (TPOT)", *figures.tpot});
  }
  times.push_back({"e2e", "end to end", figures.end_to_end});
  times.push_back({"queueing", "queueing, within TTFT", figures.queueing});
  return times;
}

std::vector<std::string> serving_question(const ServingReport& report) {
  const std::int64_t counted = ended(report.record);
  const std::string stopped =
      report.record.stopped ? fmt::format("; stopped, {} were to come", whole(report.load.count - counted)) : "";
  return {deployed_line(report.deployed), load_line(report),
          fmt::format("{} requests counted after {} of warm-up{}", whole(counted), whole(report.load.warm_up), stopped),
          fmt::format("{}; costs: {}", steps_line(report.load.rules), report.deployed.cost_model)};
}

std::vector<std::vector<std::string>> serving_facts(const ServingReport& report) {
  const ServingFigures& figures = report.figures;
  const ServingRecord& record = report.record;
  const double steps = static_cast<double>(record.steps());
  std::vector<std::vector<std::string>> facts = {
      {"output tokens/s", rate_text(figures.output_tokens), ""},
      {"output tokens/s per device", rate_text(figures.output_tokens / static_cast<double>(report.deployed.devices)),
       ""},
      {"total tokens/s", rate_text(figures.total_tokens), "prompts included"},
      {"requests/s", rate_text(figures.requests), ""},
      {"requests running", rate_text(PerSecond{figures.mean_running}), "in the mean over time"},
      {"tokens of a request",
       fmt::format("{} + {}", count_text(std::round(figures.mean_input)), count_text(std::round(figures.mean_output))),
       "in the mean"},
      {"steps", count_text(steps), fmt::format("in {}", to_text(record.span))},
      {"  decodes with prompts (mixed)", percent_text(figures.mixed_share), ""},
      {"  prompts alone", percent_text(figures.prompt_share), ""}};
  for (const ServingGoal& goal : report.goals) {
    const Seconds value = value_of(figures, goal);
    facts.push_back({fmt::format("{} at most {}", to_text(goal), to_text(goal.most)),
                     value <= goal.most ? "holds" : "fails", to_text(value)});
  }
  return facts;
}

std::string serving_text(const ServingReport& report, const TextStyle& style) {
  const std::vector<std::string> question = serving_question(report);
  std::string text = heading(question.front(), style).substr(1);
  for (std::size_t i = 1; i < question.size(); ++i) {
    text += "  " + question[i] + "\n";
  }
  if (report.search) {
    text += fmt::format("  highest sustainable rate: {} requests/s{}; the figures below are at it\n",
                        rate_text(report.search->rate), report.search->stopped ? " so far (stopped)" : "");
  }
  text += heading("Latency", style);
  Table latency(
      {{"", Align::left}, {"mean", Align::right}, {"p50", Align::right}, {"p90", Align::right}, {"p99", Align::right}});
  for (const NamedTimes& row : named_times(report.figures)) {
    latency.add(
        {row.name, to_text(row.times.mean), to_text(row.times.p50), to_text(row.times.p90), to_text(row.times.p99)});
  }
  text += latency.text(style) + heading("Throughput and steps", style);
  Table facts({{"", Align::left}, {"", Align::right}, {"", Align::left}});
  for (const std::vector<std::string>& row : serving_facts(report)) {
    facts.add(row);
  }
  text += facts.text(style);
  return report.search ? text + search_text(report, style) : text;
}

std::string serving_csv(const ServingReport& report) {
  std::string text = "arrival_s,start_s,first_token_s,end_s,input,output\n";
  for (const ServedRequest& request : report.record.requests) {
    if (request.ended) {
      text += fmt::format("{},{},{},{},{},{}\n", number_text(request.arrival.value), number_text(request.start.value),
                          number_text(request.first_token.value), number_text(request.end.value), request.lengths.input,
                          request.lengths.output);
    }
  }
  return text;
}

}  // namespace moesaic
