#include "sim/serving_figures.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/error.hpp"
#include "base/nearest.hpp"
#include "base/quantity_text.hpp"
#include "base/statistics.hpp"

namespace moesaic {
namespace {

const std::vector<std::string> kFigures = {"ttft", "tbt", "tpot", "e2e"};
const std::vector<std::string> kStatistics = {"mean", "p50", "p90", "p99"};
constexpr std::array<Seconds TimeFigures::*, 4> kMembers = {&TimeFigures::mean, &TimeFigures::p50, &TimeFigures::p90,
                                                            &TimeFigures::p99};

std::size_t find_name(const std::vector<std::string>& names, const char* what, const std::string& name,
                      const std::string& text) {
  const auto found = std::find(names.begin(), names.end(), name);
  if (found == names.end()) {
    throw UserError(
        fmt::format("--slo: unknown {} '{}' in '{}'{}", what, printable(name), printable(text), suggest(name, names)));
  }
  return static_cast<std::size_t>(found - names.begin());
}

Seconds parse_most(const std::string& item, const std::string& text) {
  try {
    const Seconds most = parse_quantity<Seconds>(text);
    if (most > Seconds{}) {
      return most;
    }
  } catch (const UserError& error) {
    throw UserError(fmt::format("--slo: {}: {}", printable(item), error.what()));
  }
  throw UserError(fmt::format("--slo: '{}' is not above zero", printable(item)));
}

}  // namespace

TimeFigures time_figures(const std::vector<double>& seconds) {
  return {Seconds{mean(seconds)}, Seconds{percentile(seconds, 0.5)}, Seconds{percentile(seconds, 0.9)},
          Seconds{percentile(seconds, 0.99)}};
}

ServingFigures serving_figures(const ServingRecord& record) {
  std::vector<double> first, whole, queueing, pace;
  ServingFigures figures;
  for (const ServedRequest& request : record.requests) {
    if (!request.ended) {
      continue;
    }
    first.push_back(request.to_first_token().value);
    whole.push_back(request.whole().value);
    queueing.push_back(request.queueing().value);
    figures.mean_input += static_cast<double>(request.lengths.input);
    figures.mean_output += static_cast<double>(request.lengths.output);
    if (request.lengths.output > 1) {
      pace.push_back((request.end - request.first_token).value / static_cast<double>(request.lengths.output - 1));
    }
  }
  if (first.empty()) {
    throw UserError("stopped before any request that counts had ended");
  }
  figures.ttft = time_figures(first);
  figures.end_to_end = time_figures(whole);
  figures.queueing = time_figures(queueing);
  if (!pace.empty()) {
    figures.tpot = time_figures(pace);
  }
  if (!record.gaps.empty()) {
    figures.tbt = {record.gaps.mean(), record.gaps.percentile(0.5), record.gaps.percentile(0.9),
                   record.gaps.percentile(0.99)};
  }
  const auto a_second = [&](double count) { return PerSecond{count / record.span.value}; };
  figures.output_tokens = a_second(record.output_tokens);
  figures.total_tokens = a_second(record.output_tokens + record.prompt_tokens);
  figures.requests = a_second(record.ended);
  figures.mean_running = record.mean_running();
  const auto steps = static_cast<double>(record.steps());
  figures.mixed_share = static_cast<double>(record.mixed_steps) / steps;
  figures.prompt_share = static_cast<double>(record.prompt_steps) / steps;
  figures.mean_input /= static_cast<double>(first.size());
  figures.mean_output /= static_cast<double>(first.size());
  return figures;
}

std::vector<ServingGoal> parse_serving_goals(const std::string& text) {
  std::vector<ServingGoal> goals;
  for (std::size_t from = 0; from < text.size();) {
    const std::size_t to = std::min(text.find(',', from), text.size());
    const std::string item = text.substr(from, to - from);
    const std::size_t equals = std::min(item.find('='), item.size());
    const std::string key = item.substr(0, equals);
    const std::size_t dot = std::min(key.find('.'), key.size());
    ServingGoal goal;
    goal.figure = static_cast<ServingGoal::Figure>(find_name(kFigures, "figure", key.substr(0, dot), text));
    if (dot < key.size()) {
      goal.statistic =
          static_cast<ServingGoal::Statistic>(find_name(kStatistics, "statistic", key.substr(dot + 1), text));
    }
    if (equals == item.size()) {
      throw UserError(
          fmt::format("--slo: '{}' has no value; write for example {}=50ms", printable(key), printable(key)));
    }
    goal.most = parse_most(item, item.substr(equals + 1));
    const auto same = [&](const ServingGoal& each) {
      return each.figure == goal.figure && each.statistic == goal.statistic;
    };
    if (std::any_of(goals.begin(), goals.end(), same)) {
      throw UserError(fmt::format("--slo: '{}' is given twice in '{}'", printable(key), printable(text)));
    }
    goals.push_back(goal);
    from = to + 1;
  }
  return goals;
}

std::string to_text(const ServingGoal& goal) {
  return fmt::format("{}.{}", kFigures[static_cast<std::size_t>(goal.figure)],
                     kStatistics[static_cast<std::size_t>(goal.statistic)]);
}

Seconds value_of(const ServingFigures& figures, const ServingGoal& goal) {
  const std::array<std::optional<TimeFigures>, 4> all = {figures.ttft, figures.tbt, figures.tpot, figures.end_to_end};
  const std::optional<TimeFigures>& chosen = all[static_cast<std::size_t>(goal.figure)];
  return chosen ? (*chosen).*kMembers[static_cast<std::size_t>(goal.statistic)] : Seconds{};
}

bool holds(const ServingFigures& figures, const std::vector<ServingGoal>& goals) {
  return std::all_of(goals.begin(), goals.end(),
                     [&](const ServingGoal& goal) { return value_of(figures, goal) <= goal.most; });
}

}  // namespace moesaic
