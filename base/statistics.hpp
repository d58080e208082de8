// Small statistics used in several rooms.
#pragma once

#include <vector>

namespace moesaic {

double mean(const std::vector<double>& values);
double median(std::vector<double> values);
/// Linear interpolation between order statistics (numpy's default); fraction in [0, 1]; values not empty.
double percentile(std::vector<double> values, double fraction);
/// Standard normal cumulative distribution.
double normal_cdf(double x);
/// Its inverse; 0 < probability < 1.
double normal_quantile(double probability);

}  // namespace moesaic
