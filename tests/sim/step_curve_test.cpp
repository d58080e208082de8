// agreement: sums over straight pieces, and percentiles of runs, against writing everything out.
#include "sim/step_curve.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <cmath>

#include "base/statistics.hpp"
#include "sim/gap_sample.hpp"

namespace moesaic {
namespace {

/// The time of `steps` steps, ramp by ramp.
Seconds sum_of(StepCurve& curve, double from, std::int64_t steps) {
  Seconds sum;
  while (steps > 0) {
    const StepRamp ramp = curve.ramp(from, steps);
    EXPECT_GE(ramp.steps, 1);
    EXPECT_LE(ramp.steps, steps);
    sum += ramp.total();
    from += static_cast<double>(ramp.steps);
    steps -= ramp.steps;
  }
  return sum;
}

// sum of a + b c over c = 100.5, 101.5, ..., 1099.5 is 1000 a + 600,000 b.
TEST(StepCurve, StraightLinesAreExact) {
  int evaluations = 0;
  StepCurve curve([&](double context) {
    ++evaluations;
    return Seconds{3e-3 + 2e-6 * context};
  });
  EXPECT_NEAR(sum_of(curve, 100.5, 1000).value, 3 + 2e-6 * 600000, 1e-12);
  const int first = evaluations;
  EXPECT_LE(first, 60);
  sum_of(curve, 300, 700);
  EXPECT_EQ(evaluations, first) << "what was evaluated is remembered";
}

// A soft corner, a hard one and a jump: none moves the sum by a thousandth.
TEST(StepCurve, BentLinesAreNearlyExact) {
  const std::vector<std::function<double(double)>> shapes = {
      [](double c) { return std::hypot(5e-3, 4e-6 * c); },
      [](double c) { return std::max(5e-3, 7e-6 * c); },
      [](double c) { return 5e-3 + 1e-6 * std::min(c, 2048.0); },
      [](double c) { return 5e-3 + 1e-6 * c + (c < 1500 ? 0 : 2e-3); },
      [](double c) { return 5e-3 + 1e-6 * std::fmod(c, 1000); },
      [](double c) { return 5e-3 + 1e-4 * std::sqrt(c); }};
  for (std::size_t i = 0; i < shapes.size(); ++i) {
    StepCurve curve([&](double context) { return Seconds{shapes[i](context)}; });
    for (const double from : {0.0, 17.25, 511.0, 1400.0}) {
      for (const std::int64_t steps : {1, 10, 3000}) {
        double exact = 0;
        for (std::int64_t step = 0; step < steps; ++step) {
          exact += shapes[i](from + static_cast<double>(step));
        }
        EXPECT_NEAR(sum_of(curve, from, steps).value / exact, 1, 1e-3) << i << ' ' << from << ' ' << steps;
      }
    }
  }
}

RC_GTEST_PROP(StepRamp, TheFewestStepsAfterWhichAPauseIsOver, ()) {
  const StepRamp ramp{Seconds{*rc::gen::inRange(1, 1000) * 1e-4}, Seconds{*rc::gen::inRange(0, 1000) * 1e-6},
                      *rc::gen::inRange(1, 300)};
  const Seconds pause{*rc::gen::inRange(0, 40000) * 1e-3};
  std::int64_t expected = 1;
  Seconds over = ramp.at(0);
  while (expected < ramp.steps && over < pause) {
    over += ramp.at(expected++);
  }
  // A sum in closed form may round otherwise than one step after another.
  RC_ASSERT(std::abs(steps_until(ramp, pause) - expected) <= (std::abs((over - pause).value) < 1e-9 ? 1 : 0));
}

RC_GTEST_PROP(GapSample, IsTheSampleWrittenOut, ()) {
  GapSample sample;
  std::vector<double> all;
  const int runs = *rc::gen::inRange(1, 12);
  for (int run = 0; run < runs; ++run) {
    const StepRamp ramp{Seconds{*rc::gen::inRange(1, 50) * 1e-3}, Seconds{*rc::gen::element(0.0, 1e-5, 3.3e-4, -1e-6)},
                        *rc::gen::inRange(0, 40)};
    const std::int64_t times = *rc::gen::inRange(0, 5);
    sample.add(ramp, times);
    for (std::int64_t step = 0; step < ramp.steps; ++step) {
      all.insert(all.end(), static_cast<std::size_t>(times), ramp.at(step).value);
    }
  }
  RC_ASSERT(sample.size() == static_cast<std::int64_t>(all.size()));
  RC_PRE(!all.empty());
  RC_ASSERT(std::abs(sample.mean().value - mean(all)) < 1e-12);
  for (const double fraction : {0.0, 0.1, 0.5, 0.9, 0.99, 1.0}) {
    RC_ASSERT(std::abs(sample.percentile(fraction).value - percentile(all, fraction)) < 1e-12);
  }
}

// Of 1, 2, 3, 4 ms: the median is 2.5 ms, and p90 at 0.9 x 3 = 2.7 places behind the first: 3.7 ms.
TEST(GapSample, PercentilesInterpolate) {
  GapSample sample;
  sample.add({Seconds{1e-3}, Seconds{1e-3}, 4}, 1);
  EXPECT_NEAR(sample.percentile(0.5).value, 2.5e-3, 1e-15);
  EXPECT_NEAR(sample.percentile(0.9).value, 3.7e-3, 1e-15);
  EXPECT_NEAR(sample.mean().value, 2.5e-3, 1e-15);
}

}  // namespace
}  // namespace moesaic
