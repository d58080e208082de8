#include "sim/uncertainty.hpp"

#include <algorithm>
#include <cmath>

namespace moesaic {

void KindSpreads::add(const KindSpreads& other, double weight) {
  for (std::size_t i = 0; i < kOperatorKindCount; ++i) {
    seconds[i] += other.seconds[i] * weight;
    deviation[i] += other.deviation[i] * weight;
  }
}

double KindSpreads::relative() const {
  double whole = 0, squares = 0;
  for (std::size_t i = 0; i < kOperatorKindCount; ++i) {
    whole += seconds[i];
    squares += deviation[i] * deviation[i];
  }
  return whole > 0 ? std::sqrt(squares) / whole : 0;
}

KindSpreads kind_spreads(const StepGraph& graph, const MachineView& view, const CostModel& cost) {
  KindSpreads spreads;
  for (const LayerGraph& layer : graph.layers) {
    for (const Task& task : graph.tasks_of(layer)) {
      const auto kind = static_cast<std::size_t>(task.op.kind);
      const double seconds = cost.cost(task, view).median().value * layer.executions;
      spreads.seconds[kind] += seconds;
      spreads.deviation[kind] += seconds * cost.spread(task, view);
    }
  }
  return spreads;
}

Interval interval_of(double relative, double least) {
  constexpr double kHalf = 0.6745, kNineTenths = 1.6449;  // quantiles of the normal distribution
  const double inner = std::exp(kHalf * relative), outer = std::exp(kNineTenths * relative);
  return {std::max(1 / inner, least), inner, std::max(1 / outer, least), outer};
}

}  // namespace moesaic
