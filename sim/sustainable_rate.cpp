#include "sim/sustainable_rate.hpp"

#include <fmt/format.h>

#include <cmath>

#include "base/error.hpp"

namespace moesaic {
namespace {

constexpr double kPrecision = 1.005;
constexpr int kMostHalvings = 10;
// If all came at once, all but a batch would wait: far more than chance explains.
constexpr std::int64_t kFewestBatches = 4;

}  // namespace

SustainableRate sustainable_rate(const ServingLoad& load, const ServingSystem& system,
                                 const std::vector<ServingGoal>& goals, const ServingProgress& progress) {
  if (load.count < kFewestBatches * load.rules.batch) {
    throw UserError(
        fmt::format("--requests: {} are too few to tell whether a queue grows before a batch of {}; take {}",
                    load.count, load.rules.batch, kFewestBatches * load.rules.batch));
  }
  SustainableRate result;
  ServingLoad tried = load;
  tried.requests.rate.reset();
  const ServingRecord closed = serve(tried, system, progress);
  result.stopped = closed.stopped;
  if (result.stopped) {
    return result;
  }
  result.saturated = serving_figures(closed).requests;
  const auto sustains = [&](double rate) {
    tried.requests.rate = PerSecond{rate};
    ServingRecord record = serve(tried, system, progress);
    if (record.stopped) {
      result.stopped = true;
      return false;
    }
    TriedRate& last = result.tried.emplace_back();
    last = {.rate = PerSecond{rate}, .grown = record.grown, .figures = serving_figures(record)};
    last.kept_up = record.grown <= std::sqrt(static_cast<double>(load.count));
    last.held = holds(last.figures, goals);
    if (last.sustained()) {
      result.rate = last.rate;
      result.record = std::move(record);
    }
    return last.sustained();
  };
  double low = 0, high = result.saturated.value;
  while (!result.stopped && sustains(high)) {
    low = high;
    high *= 1.25;
  }
  for (int halvings = 0; low <= 0 && !result.stopped && halvings < kMostHalvings; ++halvings) {
    (sustains(high / 2) ? low : high) = high / 2;
  }
  while (low > 0 && !result.stopped && high > low * kPrecision) {
    const double middle = std::sqrt(low * high);
    (sustains(middle) ? low : high) = middle;
  }
  return result;
}

}  // namespace moesaic
