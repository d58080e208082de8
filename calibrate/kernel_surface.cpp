#include "calibrate/kernel_surface.hpp"

#include <algorithm>
#include <cmath>

#include "base/error.hpp"
#include "base/statistics.hpp"

namespace moesaic {
namespace {

constexpr double kLeastDeviation = 2e-3;  ///< timers do not resolve less

/// Deterministic scatter of groups over folds.
std::uint32_t fold_of(std::uint32_t group, int folds) {
  std::uint64_t hash = group * 0x9E3779B97F4A7C15ULL + 0x632BE59BD9B4E019ULL;
  hash = (hash ^ (hash >> 30)) * 0xBF58476D1CE4E5B9ULL;
  hash ^= hash >> 31;
  return static_cast<std::uint32_t>(hash % static_cast<std::uint64_t>(folds));
}

struct Fit {
  KernelCore core;
  BoostedTrees residual;
};

Fit fit_rows(std::span<const KernelSample> samples, const std::vector<std::uint32_t>& chosen, double cache,
             const BoostingOptions& options) {
  std::vector<KernelTerms> terms;
  std::vector<double> seconds;
  std::vector<FeatureRow> features;
  for (const std::uint32_t i : chosen) {
    terms.push_back(samples[i].point.terms);
    seconds.push_back(samples[i].seconds);
    features.push_back(samples[i].point.features);
  }
  Fit fit{fit_core(terms, seconds, cache), {}};
  std::vector<double> targets;
  for (std::size_t i = 0; i < terms.size(); ++i) {
    targets.push_back(std::log(seconds[i] / core_seconds(fit.core, terms[i], cache)));
  }
  fit.residual = boost(features, targets, options);
  return fit;
}

/// How many times as sure a prediction is inside the measured extent as at `row`: grows with the factor by which any
/// feature leaves it.
double outside(const KernelSurface& surface, const FeatureRow& row) {
  float worst = 1;
  for (std::size_t f = 0; f < kFeatureCount; ++f) {
    if (row[f] > surface.most[f] && surface.most[f] > 0) {
      worst = std::max(worst, row[f] / surface.most[f]);
    } else if (row[f] < surface.least[f] && row[f] > 0) {
      worst = std::max(worst, surface.least[f] / row[f]);
    }
  }
  return 1 + std::min(2.0, 0.5 * std::log(static_cast<double>(worst)));
}

}  // namespace

double KernelSurface::seconds(const KernelPoint& point, double cache) const {
  return core_seconds(core, point.terms, cache) * std::exp(static_cast<double>(residual(point.features)));
}

KernelEstimate KernelSurface::estimate(const KernelPoint& point, double cache) const {
  const double scale = std::exp(static_cast<double>(spread(point.features))) * outside(*this, point.features);
  return {seconds(point, cache), scale * spread50, scale * spread90};
}

KernelSurface fit_surface(std::span<const KernelSample> samples, double cache, const SurfaceOptions& options) {
  MOESAIC_ASSERT(!samples.empty());
  std::vector<std::uint32_t> all(samples.size());
  std::uint32_t groups = 0;
  for (std::size_t i = 0; i < samples.size(); ++i) {
    all[i] = static_cast<std::uint32_t>(i);
    groups = std::max(groups, samples[i].group + 1);
  }
  KernelSurface surface;
  surface.rows = samples.size();
  surface.shapes = groups;
  Fit fit = fit_rows(samples, all, cache, options.residual);
  surface.core = fit.core;
  surface.residual = std::move(fit.residual);
  surface.least = surface.most = samples[0].point.features;
  for (const KernelSample& sample : samples) {
    for (std::size_t f = 0; f < kFeatureCount; ++f) {
      surface.least[f] = std::min(surface.least[f], sample.point.features[f]);
      surface.most[f] = std::max(surface.most[f], sample.point.features[f]);
    }
  }

  // What the same fit errs by on shapes that it has not seen.
  std::vector<double> deviation(samples.size(), 0);
  std::vector<std::uint32_t> judged;
  const int folds = std::min<int>(options.folds, static_cast<int>(groups));
  for (int fold = 0; fold < folds && folds > 1; ++fold) {
    std::vector<std::uint32_t> chosen, left;
    for (const std::uint32_t i : all) {
      (fold_of(samples[i].group, folds) == static_cast<std::uint32_t>(fold) ? left : chosen).push_back(i);
    }
    if (chosen.empty() || left.empty()) {
      continue;
    }
    const Fit part = fit_rows(samples, chosen, cache, options.residual);
    for (const std::uint32_t i : left) {
      const KernelPoint& point = samples[i].point;
      const double log_seconds = std::log(core_seconds(part.core, point.terms, cache)) +
                                 static_cast<double>(part.residual(point.features));
      deviation[i] = std::abs(log_seconds - std::log(samples[i].seconds));
      judged.push_back(i);
    }
  }
  if (judged.empty()) {  // one whole shape: nothing can be left out
    surface.spread50 = 0.1;
    surface.spread90 = 0.3;
    return surface;
  }
  std::vector<FeatureRow> features;
  std::vector<double> targets, errors;
  for (const std::uint32_t i : judged) {
    features.push_back(samples[i].point.features);
    targets.push_back(std::log(std::max(deviation[i], kLeastDeviation)));
    errors.push_back(std::expm1(deviation[i]));
  }
  surface.spread = boost(features, targets,
                         {.trees = 12, .depth = 4, .learning_rate = 0.4, .scale = 3, .leaf_prior = 20, .bins = 32});
  std::vector<double> multiples;
  for (std::size_t i = 0; i < judged.size(); ++i) {
    multiples.push_back(deviation[judged[i]] / std::exp(static_cast<double>(surface.spread(features[i]))));
  }
  surface.spread50 = percentile(multiples, 0.5);
  surface.spread90 = percentile(multiples, 0.9);
  surface.median_error = median(errors);
  surface.p90_error = percentile(errors, 0.9);
  return surface;
}

}  // namespace moesaic
