// What must hold for any network on any machine under any load.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <cmath>

#include "hw/figures.hpp"
#include "sim/predict.hpp"
#include "tests/sim/rounding.hpp"
#include "tests/sim/scenario.hpp"

namespace moesaic {
namespace {

std::string bars_text(const PhasePrediction& phase) {
  std::string text = fmt::format("limit {} ", phase.limit.seconds.value);
  for (const WaterfallBar& bar : phase.waterfall) {
    text += fmt::format("+ {} {} ", bar.id, bar.seconds.value);
  }
  return text + fmt::format("= {}", phase.seconds.value);
}

void check_phase(const PhasePrediction& phase) {
  const double seconds = phase.seconds.value, limit = phase.limit.seconds.value;
  RC_LOG() << bars_text(phase) << "\n";
  RC_ASSERT(std::isfinite(seconds) && limit > 0);
  RC_ASSERT(seconds >= limit * (1 - kRounding));
  RC_ASSERT(limit >= phase.limit.resource_seconds.value * (1 - kRounding));
  RC_ASSERT(limit >= phase.limit.critical_path_seconds.value * (1 - kRounding));
  double sum = 0;
  for (const WaterfallBar& bar : phase.waterfall) {
    sum += bar.seconds.value;
    RC_ASSERT(bar.seconds.value >= -kRounding * seconds);
    RC_ASSERT(!bar.resource.empty());
  }
  RC_ASSERT(std::abs(sum - (seconds - limit)) <= kRounding * seconds);
  for (const ResourceUse& use : phase.resources) {
    RC_LOG() << use.resource << " " << use.utilisation << "\n";
    RC_ASSERT(use.utilisation <= 1 + kRounding);
  }
}

/// Wider for nine tenths than for a half, around the prediction, and no more below it than the limit.
void check_interval(const Interval& interval, const PhasePrediction& phase) {
  RC_ASSERT(interval.low90 <= interval.low50);
  RC_ASSERT(interval.low50 <= 1 + 1e-9);
  RC_ASSERT(interval.high50 >= 1);
  RC_ASSERT(interval.high90 >= interval.high50);
  RC_ASSERT(phase.seconds * interval.low90 >= phase.limit.seconds * (1 - 1e-9));
}

RC_GTEST_PROP(PredictionProperty, NeverBeatsItsLimit, ()) {
  const Scenario scenario = any_scenario({.every_mapping = true});
  RC_LOG() << scenario.text << "\n";
  const Prediction prediction = predict(scenario.deployment, scenario.load);
  if (prediction.running_batch > 0) {
    check_phase(prediction.prefill);
    check_phase(prediction.decode);
    RC_ASSERT(prediction.end_to_end >= prediction.prefill.seconds);
    RC_ASSERT(prediction.energy_per_token.value >= 0);
    check_interval(prediction.ttft_interval, prediction.prefill);
    check_interval(prediction.tpot_interval, prediction.decode);
  }
  RC_ASSERT(prediction.fits == (prediction.running_batch == static_cast<double>(scenario.load.batch)));
}

// A kernel at peak rates without launches leaves nothing between the limit and the prediction but imbalance, exposed
// communication, capacity and chunking.
RC_GTEST_PROP(PredictionProperty, PeakRatesLeaveNoKernelBars, ()) {
  const Scenario scenario = any_scenario({.costs = Costs::peak});
  RC_LOG() << scenario.text << "\n";
  const Prediction prediction = predict(scenario.deployment, scenario.load);
  for (const PhasePrediction* phase : {&prediction.prefill, &prediction.decode}) {
    for (const WaterfallBar& bar : phase->waterfall) {
      if (bar.id == "kernel_efficiency" || bar.id == "launch_latency") {
        RC_ASSERT(std::abs(bar.seconds.value) <= 1e-12 * phase->seconds.value);
      }
    }
  }
}

// On one device nothing is left at all: the prediction is the limit.
RC_GTEST_PROP(PredictionProperty, OneDeviceAtPeakRatesReachesItsLimit, ()) {
  const Scenario scenario = any_scenario({.placements = {"resident"},
                                          .costs = Costs::peak,
                                          .one_device = true,
                                          .enough_memory = true,
                                          .chunked_prefill = false});
  RC_LOG() << scenario.text << "\n";
  const Prediction prediction = predict(scenario.deployment, scenario.load);
  RC_ASSERT(prediction.fits);
  for (const PhasePrediction* phase : {&prediction.prefill, &prediction.decode}) {
    RC_ASSERT(std::abs(phase->seconds / phase->limit.seconds - 1) <= kRounding);
  }
}

double end_to_end(const Deployment& deployment, const Load& load) {
  Predictor predictor(deployment);
  const LoadTimes& times = predictor.times(load);
  return times.running > 0 ? times.end_to_end.value : INFINITY;
}

/// `capacity` is the tolerance for larger memories, `others` for all other figures.
void check_better_figures(const Scenario& scenario, double others = kRounding, double capacity = kRounding) {
  RC_LOG() << scenario.text << "\n";
  const Machine& machine = scenario.deployment.plan.machine();
  const double before = end_to_end(scenario.deployment, scenario.load);
  for (const HardwareFigure& figure : hardware_figures(machine)) {
    const double factor = 1 + std::pow(10.0, -static_cast<double>(*rc::gen::inRange(0, 4)));
    const Machine better = scale_figure(machine, figure.path, figure.more_is_better ? factor : 1 / factor);
    const double after = end_to_end({scenario.deployment.plan.on(better), scenario.deployment.cost}, scenario.load);
    RC_LOG() << figure.path << " x" << factor << ": " << before << " -> " << after << " s\n";
    RC_ASSERT(after <= before * (1 + (figure.path.ends_with(".capacity") ? capacity : others)));
  }
}

RC_GTEST_PROP(PredictionProperty, BetterFiguresAreNeverSlower, ()) {
  check_better_figures(any_scenario({.placements = {"resident"}, .costs = Costs::formulas}));
}

// Larger memories let more requests run at once, and measured kernels may take longer per request of a larger batch
// (they switch tiles and algorithms): three percent at most in thousands of cases.
RC_GTEST_PROP(PredictionProperty, BetterFiguresAreNotSlowerWithMeasuredKernels, ()) {
  check_better_figures(any_scenario({.placements = {"resident"}, .costs = Costs::measured}), kRounding, 0.1);
}

// Where copies overlap, a task that ends earlier may get in the way of a copy that matters more (Graham's anomalies):
// a percent at most in thousands of cases.
RC_GTEST_PROP(PredictionProperty, BetterFiguresAreNotSlowerWhereCopiesOverlap, ()) {
  check_better_figures(any_scenario({.placements = {"streamed"}}), 0.05, 0.05);
}

// The two-unit placement chooses units by their peak rates, so it is sure to gain at peak rates only: a faster unit may
// attract an operator that its launches make slower there.
RC_GTEST_PROP(PredictionProperty, BetterUnitsAreNeverSlowerAtPeakRates, ()) {
  check_better_figures(any_scenario({.placements = {"two-unit"}, .costs = Costs::peak}));
}

}  // namespace
}  // namespace moesaic
