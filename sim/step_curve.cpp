#include "sim/step_curve.hpp"

#include <algorithm>
#include <cmath>

#include "base/error.hpp"

namespace moesaic {
namespace {

// Of a step's time: a tenth of what fast and exact runs may differ by.
constexpr double kTolerance = 1e-4;
constexpr double kNarrowest = 2;
constexpr double kFirstOctave = 64;  // below it cells are a quarter of it

struct Cell {
  std::int64_t number;
  double low, high;
};

Cell cell_of(double context) {
  if (context < kFirstOctave) {
    const double width = kFirstOctave / 4, index = std::floor(context / width);
    return {static_cast<std::int64_t>(index), index * width, (index + 1) * width};
  }
  int exponent = 0;
  const double mantissa = std::frexp(context, &exponent);  // in [1/2, 1)
  const double octave = std::ldexp(0.5, exponent), quarter = std::floor((mantissa * 2 - 1) * 4);
  return {4 * static_cast<std::int64_t>(exponent) + static_cast<std::int64_t>(quarter), octave * (1 + quarter / 4),
          octave * (1 + (quarter + 1) / 4)};
}

}  // namespace

void StepCurve::refine(const Point& low, const Point& high, std::vector<Point>& points) const {
  const double width = high.context - low.context;
  if (width > kNarrowest) {
    const Point middle = evaluate(low.context + width / 2);
    const double straight = (low.seconds + high.seconds) / 2;
    if (std::abs(middle.seconds - straight) > kTolerance * middle.seconds) {
      refine(low, middle, points);
      refine(middle, high, points);
      return;
    }
  }
  points.push_back(high);
}

const std::vector<StepCurve::Point>& StepCurve::piece_of(double context) {
  const Cell cell = cell_of(context);
  const auto [at, fresh] = cells_.try_emplace(cell.number);
  if (fresh) {
    at->second.push_back(evaluate(cell.low));
    refine(at->second.front(), evaluate(cell.high), at->second);
  }
  return at->second;
}

StepRamp StepCurve::ramp(double from, std::int64_t most) {
  MOESAIC_ASSERT(from >= 0 && most >= 1);
  const std::vector<Point>& points = piece_of(from);
  const auto high = std::upper_bound(points.begin(), points.end(), from,
                                     [](double context, const Point& point) { return context < point.context; });
  const auto low = high - 1;
  const double slope = (high->seconds - low->seconds) / (high->context - low->context);
  const auto inside = static_cast<std::int64_t>(std::ceil(high->context - from));
  return {Seconds{low->seconds + slope * (from - low->context)}, Seconds{slope},
          std::min(most, std::max<std::int64_t>(inside, 1))};
}

std::int64_t steps_until(const StepRamp& ramp, Seconds pause) {
  std::int64_t low = 0, high = ramp.steps;
  while (high - low > 1) {
    const std::int64_t middle = low + (high - low) / 2;
    (ramp.sum(middle) < pause ? low : high) = middle;
  }
  return high;
}

}  // namespace moesaic
