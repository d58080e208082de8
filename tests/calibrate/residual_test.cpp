// Do trees, forest and lattice reproduce a function that is known, and do both ways to sum trees agree?
#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "calibrate/boosted_trees.hpp"
#include "calibrate/forest.hpp"
#include "calibrate/lattice.hpp"

namespace moesaic {
namespace {

struct Table {
  std::vector<FeatureRow> rows;
  std::vector<double> targets;
};

/// A step and a slope, which kernels' residuals consist of.
double known(const FeatureRow& row) { return (row[0] > 0.4F ? 0.3 : 0) + 0.2 * static_cast<double>(row[9]); }

Table table() {
  std::mt19937 random(7);
  std::uniform_real_distribution<float> uniform(0, 1);
  Table result;
  for (int i = 0; i < 3000; ++i) {
    FeatureRow row{};
    row[0] = uniform(random);
    row[9] = uniform(random);
    row[15] = uniform(random);  // no part in it
    result.rows.push_back(row);
    result.targets.push_back(known(row));
  }
  return result;
}

/// The sum as boosted_trees.hpp defines it.
float plain_sum(const BoostedTrees& trees, const FeatureRow& row) {
  float sum = 0;
  for (std::size_t t = 0; t < trees.splits.size(); ++t) {
    std::uint32_t leaf = 0;
    for (std::size_t i = 0; i < kTreeDepth; ++i) {
      const auto feature = static_cast<std::size_t>(trees.splits[t].feature[i]);
      leaf |= static_cast<std::uint32_t>(row[feature] > trees.splits[t].threshold[i]) << i;
    }
    sum += trees.leaves[trees.first_leaf[t] + leaf];
  }
  return sum;
}

TEST(BoostedTrees, SumAsDefinedAndReproduceAFunction) {
  const Table data = table();
  const BoostedTrees trees =
      boost(data.rows, data.targets, {.trees = 48, .depth = 7, .learning_rate = 0.3, .leaf_prior = 0.7, .bins = 128});
  double worst = 0;
  for (std::size_t i = 0; i < data.rows.size(); ++i) {
    EXPECT_EQ(trees(data.rows[i]), plain_sum(trees, data.rows[i]));  // vector path and definition, to the bit
    worst = std::max(worst, std::abs(static_cast<double>(trees(data.rows[i])) - data.targets[i]));
  }
  EXPECT_LT(worst, 0.03);
}

TEST(Forest, ReproducesAFunction) {
  const Table data = table();
  const Forest forest = Forest::fit(data.rows, data.targets, {.trees = 200});
  std::mt19937 random(8);
  std::uniform_real_distribution<float> uniform(0, 1);
  for (int i = 0; i < 200; ++i) {
    FeatureRow row{};
    row[0] = uniform(random);
    row[9] = uniform(random);
    if (std::abs(row[0] - 0.4F) > 0.01F) {
      EXPECT_NEAR(forest(row), known(row), 0.02);
    }
  }
}

TEST(Lattice, ReproducesAPlaneAlsoWhereNobodyMeasured) {
  const std::vector<std::vector<float>> axes{{0, 1, 2, 3, 4}, {0, 1, 2, 3}};
  std::vector<LatticePoint> points;
  std::vector<double> targets;
  const auto plane = [](const LatticePoint& p) { return 0.1 * p[0] - 0.05 * p[1]; };
  for (double x = 0; x <= 4; x += 1) {
    for (double y = 0; y <= 3; y += 1) {
      if (x != 2) {  // a column is left out
        points.push_back({x, y});
        targets.push_back(plane(points.back()));
      }
    }
  }
  const Lattice lattice = fit_lattice(axes, points, targets);
  for (double x = 0; x <= 4; x += 0.5) {
    EXPECT_NEAR(lattice({x, 1.5}), plane({x, 1.5}), 0.01);
  }
}

}  // namespace
}  // namespace moesaic
