#include "calibrate/slow_series.hpp"

#include <cmath>
#include <map>

#include "base/error.hpp"
#include "base/statistics.hpp"

namespace moesaic {
namespace {

struct Series {
  std::uint32_t group = 0;
  std::vector<double> deviations;
};

ShapeValues configuration(const ShapeValues& shape) {
  ShapeValues result = shape;
  result.back() = 0;
  return result;
}

}  // namespace

std::vector<bool> in_slow_series(std::span<const ShapeValues> shapes, std::span<const std::uint32_t> groups,
                                 std::span<const double> deviations) {
  MOESAIC_ASSERT(shapes.size() == groups.size() && shapes.size() == deviations.size());
  static const double kSlow = std::log(3.0);
  std::map<ShapeValues, Series> all;
  for (std::size_t i = 0; i < shapes.size(); ++i) {
    Series& series = all[configuration(shapes[i])];
    series.group = groups[i];
    series.deviations.push_back(deviations[i]);
  }
  std::map<ShapeValues, double> medians;
  std::map<std::uint32_t, std::vector<double>> of_group;
  for (const auto& [shape, series] : all) {
    of_group[series.group].push_back(medians[shape] = median(series.deviations));
  }
  std::map<std::uint32_t, double> usual;
  for (const auto& [group, values] : of_group) {
    usual[group] = percentile(values, 0.25);
  }
  std::vector<bool> slow;
  slow.reserve(shapes.size());
  for (std::size_t i = 0; i < shapes.size(); ++i) {
    slow.push_back(medians[configuration(shapes[i])] >= usual[groups[i]] + kSlow);
  }
  return slow;
}

}  // namespace moesaic
