// Are series of another regime told from those that are merely different?
#include "calibrate/slow_series.hpp"

#include <gtest/gtest.h>

#include <cmath>

namespace moesaic {
namespace {

struct Rows {
  std::vector<ShapeValues> shapes;
  std::vector<std::uint32_t> groups;
  std::vector<double> deviations;

  /// One configuration at three numbers of tokens.
  void add(std::uint32_t group, double split, double factor) {
    for (const double tokens : {1, 64, 4096}) {
      ShapeValues shape{};
      shape[0] = group;
      shape[5] = split;
      shape.back() = tokens;
      shapes.push_back(shape);
      groups.push_back(group);
      deviations.push_back(std::log(factor * (tokens == 64 ? 1.2 : 1.0)));
    }
  }
  std::vector<bool> slow() const { return in_slow_series(shapes, groups, deviations); }
};

TEST(SlowSeries, AreWholeConfigurationsFarAboveTheirModel) {
  Rows rows;
  rows.add(0, 1, 1);
  rows.add(0, 2, 6);  // fell back
  rows.add(0, 4, 1.1);
  rows.add(0, 8, 0.9);
  EXPECT_EQ(rows.slow(),
            (std::vector<bool>{false, false, false, true, true, true, false, false, false, false, false, false}));
}

TEST(SlowSeries, AModelThatIsSlowThroughoutIsNone) {
  Rows rows;
  for (const double split : {1, 2, 4, 8}) {
    rows.add(0, split, 1);
    rows.add(1, split, 6);
  }
  const std::vector<bool> slow = rows.slow();
  EXPECT_EQ(std::count(slow.begin(), slow.end(), true), 0);
}

TEST(SlowSeries, OneSlowPointOfASeriesIsNone) {
  Rows rows;
  rows.add(0, 1, 1);
  rows.add(0, 2, 1);
  rows.deviations[4] = std::log(10);
  const std::vector<bool> slow = rows.slow();
  EXPECT_EQ(std::count(slow.begin(), slow.end(), true), 0);
}

}  // namespace
}  // namespace moesaic
