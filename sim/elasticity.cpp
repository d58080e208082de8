#include <algorithm>
#include <cmath>
#include <limits>

#include "hw/figures.hpp"
#include "sim/predict.hpp"

namespace moesaic {
namespace {

double log_throughput(const Deployment& deployment, const Load& load) {
  Predictor predictor(deployment);
  const LoadTimes& times = predictor.times(load);
  return times.running > 0 ? -std::log(times.end_to_end.value) : -std::numeric_limits<double>::infinity();
}

}  // namespace

std::vector<Elasticity> elasticities(const Deployment& deployment, const Load& load) {
  constexpr double kStep = 0.01;
  const double base = log_throughput(deployment, load);
  std::vector<Elasticity> result;
  if (!std::isfinite(base)) {
    return result;
  }
  for (const HardwareFigure& figure : hardware_figures(deployment.plan.machine())) {
    const double factor = figure.more_is_better ? 1 + kStep : 1 / (1 + kStep);
    const Deployment changed{deployment.plan.on(scale_figure(deployment.plan.machine(), figure.path, factor)),
                             deployment.cost};
    const double effect = (log_throughput(changed, load) - base) / std::log1p(kStep);
    result.push_back({figure.path, std::abs(effect) < 1e-9 ? 0 : effect});
  }
  std::stable_sort(result.begin(), result.end(),
                   [](const Elasticity& a, const Elasticity& b) { return a.throughput > b.throughput; });
  return result;
}

std::vector<SweepPoint> sweep_batch(const Deployment& deployment, const Load& load) {
  std::vector<SweepPoint> points;
  Predictor predictor(deployment);
  const std::int64_t most = std::max<std::int64_t>(256, load.batch * 4);
  for (std::int64_t batch = 1; batch <= most && batch <= (1 << 24); batch *= 2) {
    Load tried = load;
    tried.batch = batch;
    const LoadTimes& times = predictor.times(tried);
    SweepPoint point;
    point.batch = static_cast<double>(batch);
    point.fits = times.fits;
    if (times.running > 0) {
      const double tokens = static_cast<double>(batch * load.output), steps = static_cast<double>(load.output - 1);
      point.output_tokens = PerSecond{tokens / times.end_to_end.value};
      point.limit_output_tokens = PerSecond{tokens / (times.prefill.limit + times.decode.limit * steps).value};
      point.tpot = times.decode.predicted / times.waves;
      point.limit_tpot = times.decode.limit;
      point.ttft = times.prefill.predicted / times.waves;
      point.limit_ttft = times.prefill.limit;
    }
    points.push_back(point);
  }
  return points;
}

}  // namespace moesaic
