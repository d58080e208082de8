// Fitting one kernel: core, residual, and the spread of what the fit says of shapes that it has not seen.
#include <algorithm>
#include <cmath>
#include <numbers>

#include "base/error.hpp"
#include "base/statistics.hpp"
#include "calibrate/kernel_surface.hpp"
#include "calibrate/slow_series.hpp"

namespace moesaic {
namespace {

constexpr double kLeastDeviation = 2e-3;  ///< timers do not resolve less
constexpr std::size_t kMostKnots = 40;
constexpr std::uint32_t kFewShapes = 12;

/// Deterministic scatter of groups over folds.
std::uint32_t fold_of(std::uint32_t group, int folds) {
  std::uint64_t hash = group * 0x9E3779B97F4A7C15ULL + 0x632BE59BD9B4E019ULL;
  hash = (hash ^ (hash >> 30)) * 0xBF58476D1CE4E5B9ULL;
  hash ^= hash >> 31;
  return static_cast<std::uint32_t>(hash % static_cast<std::uint64_t>(folds));
}

void quantise(std::vector<float>& values) {
  for (float& value : values) {
    value = static_cast<float>(std::round(static_cast<double>(value) / kResidualUnit) * kResidualUnit);
  }
}

/// Knots with others between them wherever two are more than a factor of two apart.
std::vector<float> filled(const std::vector<float>& knots) {
  std::vector<float> result;
  for (std::size_t i = 0; i + 1 < knots.size(); ++i) {
    const float gap = knots[i + 1] - knots[i];
    const int parts = std::max(1, static_cast<int>(std::lround(gap / std::numbers::ln2_v<float>)));
    for (int part = 0; part < parts; ++part) {
      result.push_back(knots[i] + gap * static_cast<float>(part) / static_cast<float>(parts));
    }
  }
  result.push_back(knots.back());
  return result;
}

class SurfaceFit {
 public:
  SurfaceFit(const KernelSetting& setting, std::span<const KernelSample> samples, const SurfaceOptions& options)
      : setting_(setting), samples_(samples), options_(options), axes_(lattice_axes(setting.family)) {
    for (const KernelSample& sample : samples) {
      points_.push_back(kernel_point(setting, sample.shape));
      logs_.push_back(std::log(sample.seconds));
      coordinates_.push_back(lattice_point(setting.family, sample.shape));
      groups_ = std::max(groups_, sample.group + 1);
    }
  }

  KernelSurface run() {
    KernelSurface surface;
    surface.family = setting_.family;
    surface.rows = samples_.size();
    surface.shapes = groups_;
    leave_out();
    std::vector<std::uint32_t> all(samples_.size());
    for (std::size_t i = 0; i < all.size(); ++i) {
      all[i] = static_cast<std::uint32_t>(i);
    }
    fit_final(all, surface);
    set_extent(surface);
    set_spread(surface);
    return surface;
  }

 private:
  /// What two ways to fit the residual say of rows that neither has seen: their blend is chosen by it.
  struct LeftOut {
    std::uint32_t row;
    int fold;
    double by_trees;  ///< log of the predicted time
    double by_lattice;
  };

  struct Chosen {
    KernelCore core;
    std::vector<FeatureRow> features;
    std::vector<LatticePoint> coordinates;
    std::vector<double> targets;
  };

  Chosen choose(const std::vector<std::uint32_t>& rows) const {
    std::vector<KernelTerms> terms;
    std::vector<double> seconds;
    Chosen chosen;
    for (const std::uint32_t i : rows) {
      terms.push_back(points_[i].terms);
      seconds.push_back(samples_[i].seconds);
      chosen.features.push_back(points_[i].features);
      chosen.coordinates.push_back(coordinates_[i]);
    }
    chosen.core = fit_core(terms, seconds, setting_.machine.cache);
    for (std::size_t i = 0; i < rows.size(); ++i) {
      chosen.targets.push_back(std::log(seconds[i] / core_seconds(chosen.core, terms[i], setting_.machine.cache)));
    }
    return chosen;
  }

  /// Fused experts are measured in series of token counts.
  Chosen choose_usual(std::vector<std::uint32_t> rows) const {
    Chosen chosen = choose(rows);
    if (setting_.family != Family::moe) {
      return chosen;
    }
    std::vector<ShapeValues> shapes;
    std::vector<std::uint32_t> groups;
    for (const std::uint32_t i : rows) {
      shapes.push_back(samples_[i].shape);
      groups.push_back(samples_[i].group);
    }
    const std::vector<bool> slow = in_slow_series(shapes, groups, chosen.targets);
    std::vector<std::uint32_t> usual;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      if (!slow[i]) {
        usual.push_back(rows[i]);
      }
    }
    return usual.size() == rows.size() ? chosen : choose_usual(std::move(usual));
  }

  std::vector<std::vector<float>> lattice_knots(std::span<const LatticePoint> coordinates) const {
    std::vector<std::vector<float>> axes;
    for (std::size_t a = 0; a < axes_; ++a) {
      std::vector<float> values;
      for (const LatticePoint& point : coordinates) {
        values.push_back(static_cast<float>(point[a]));
      }
      axes.push_back(knots(std::move(values), kMostKnots));
      // Between measured shapes that are far apart the trees know of tiles and waves what a straight line does not.
      if (a < describe(setting_.family).whole) {
        axes.back() = filled(axes.back());
      }
    }
    return axes;
  }

  Forest fit_forest(const Chosen& chosen) const {
    ForestOptions options = options_.forest;
    // Few rows: smaller leaves, or nothing is left to split.
    options.least_rows = std::min(options.least_rows, std::max(2.0, static_cast<double>(chosen.targets.size()) / 60));
    return Forest::fit(chosen.features, chosen.targets, options);
  }

  void leave_out() {
    // Of few shapes one at a time: leaving out a fifth of six is twice as far from the others as a new shape will be.
    const int folds = groups_ <= kFewShapes ? static_cast<int>(groups_) : options_.folds;
    for (int fold = 0; fold < folds && folds > 1; ++fold) {
      std::vector<std::uint32_t> seen, left;
      for (std::uint32_t i = 0; i < samples_.size(); ++i) {
        // A handful of groups is dealt out in turn, so that no fold stays empty.
        const std::uint32_t of =
            groups_ < 40 ? samples_[i].group % static_cast<std::uint32_t>(folds) : fold_of(samples_[i].group, folds);
        (of == static_cast<std::uint32_t>(fold) ? left : seen).push_back(i);
      }
      if (seen.empty() || left.empty()) {
        continue;
      }
      const Chosen chosen = choose_usual(seen);
      const auto core = [&](std::uint32_t i) {
        return std::log(core_seconds(chosen.core, points_[i].terms, setting_.machine.cache));
      };
      if (axes_ == 0) {
        const BoostedTrees trees = boost(chosen.features, chosen.targets, options_.trees);
        for (const std::uint32_t i : left) {
          left_out_.push_back({i, fold, core(i) + static_cast<double>(trees(points_[i].features)), 0});
        }
        continue;
      }
      const Forest forest = fit_forest(chosen);
      const Lattice lattice =
          fit_lattice(lattice_knots(chosen.coordinates), chosen.coordinates, chosen.targets, options_.lattice);
      for (const std::uint32_t i : left) {
        left_out_.push_back({i, fold, core(i) + forest(points_[i].features), core(i) + lattice(coordinates_[i])});
      }
    }
    choose_blend();
  }

  double deviation(const LeftOut& row, double blend) const {
    return std::abs(blend * row.by_trees + (1 - blend) * row.by_lattice - logs_[row.row]);
  }

  void choose_blend() {
    blend_ = 1;
    if (axes_ == 0 || left_out_.empty()) {
      return;
    }
    double least = 1e300;
    for (const double blend : {1.0, 0.75, 0.5, 0.25, 0.0}) {
      std::vector<double> deviations;
      for (const LeftOut& row : left_out_) {
        deviations.push_back(deviation(row, blend));
      }
      const double score = percentile(deviations, 0.5) + 0.3 * percentile(deviations, 0.9);
      if (score < least) {
        least = score;
        blend_ = blend;
      }
    }
  }

  void fit_final(const std::vector<std::uint32_t>& all, KernelSurface& surface) const {
    const Chosen chosen = choose_usual(all);
    surface.core = chosen.core;
    if (axes_ == 0) {
      surface.trees = boost(chosen.features, chosen.targets, options_.trees);
      quantise(surface.trees.leaves);
      return;
    }
    surface.lattice =
        fit_lattice(lattice_knots(chosen.coordinates), chosen.coordinates, chosen.targets, options_.lattice);
    if (blend_ > 0) {
      const Forest forest = fit_forest(chosen);
      const std::vector<LatticePoint> nodes = surface.lattice.nodes();
      for (std::size_t i = 0; i < nodes.size(); ++i) {
        const double by_trees =
            forest(kernel_point(setting_, lattice_shape(setting_.family, nodes[i], samples_[0].shape)).features);
        float& value = surface.lattice.values[i];
        value = static_cast<float>(blend_ * by_trees + (1 - blend_) * static_cast<double>(value));
      }
    }
    quantise(surface.lattice.values);
  }

  void set_extent(KernelSurface& surface) const {
    surface.least = surface.most = points_[0].features;
    for (const KernelPoint& point : points_) {
      for (std::size_t f = 0; f < kFeatureCount; ++f) {
        surface.least[f] = std::min(surface.least[f], point.features[f]);
        surface.most[f] = std::max(surface.most[f], point.features[f]);
      }
    }
  }

  static BoostedTrees fit_spread(std::span<const FeatureRow> features, std::span<const double> targets) {
    BoostedTrees spread = boost(
        features, targets, {.trees = 12, .depth = 4, .learning_rate = 0.4, .scale = 3, .leaf_prior = 20, .bins = 32});
    quantise(spread.leaves);
    return spread;
  }

  /// Deviations as multiples of a spread that was learnt without the row's fold: a spread praises the rows that it has
  /// seen.
  std::vector<double> unseen_multiples(std::span<const FeatureRow> features, std::span<const double> targets) const {
    std::vector<double> multiples;
    const int folds = left_out_.back().fold + 1;
    for (int fold = left_out_.front().fold; fold < folds; ++fold) {
      std::vector<FeatureRow> others;
      std::vector<double> theirs;
      for (std::size_t i = 0; i < left_out_.size(); ++i) {
        if (left_out_[i].fold != fold) {
          others.push_back(features[i]);
          theirs.push_back(targets[i]);
        }
      }
      const BoostedTrees spread = others.empty() ? BoostedTrees{} : fit_spread(others, theirs);
      for (std::size_t i = 0; i < left_out_.size(); ++i) {
        if (left_out_[i].fold == fold) {
          multiples.push_back(deviation(left_out_[i], blend_) / std::exp(static_cast<double>(spread(features[i]))));
        }
      }
    }
    return multiples;
  }

  void set_spread(KernelSurface& surface) const {
    if (left_out_.empty()) {  // one whole shape: nothing can be left out
      surface.spread50 = 0.1;
      surface.spread90 = 0.3;
      return;
    }
    std::vector<FeatureRow> features;
    std::vector<double> targets, errors;
    for (const LeftOut& row : left_out_) {
      features.push_back(points_[row.row].features);
      targets.push_back(std::log(std::max(deviation(row, blend_), kLeastDeviation)));
      const double logarithm = blend_ * row.by_trees + (1 - blend_) * row.by_lattice;
      errors.push_back(std::abs(std::expm1(logarithm - logs_[row.row])));
    }
    surface.spread = fit_spread(features, targets);
    const std::vector<double> multiples = unseen_multiples(features, targets);
    surface.spread50 = percentile(multiples, 0.5);
    surface.spread90 = percentile(multiples, 0.9);
    surface.median_error = median(errors);
    surface.p90_error = percentile(errors, 0.9);
  }

  const KernelSetting& setting_;
  std::span<const KernelSample> samples_;
  const SurfaceOptions& options_;
  std::size_t axes_;
  std::vector<KernelPoint> points_;
  std::vector<double> logs_;
  std::vector<LatticePoint> coordinates_;
  std::uint32_t groups_ = 0;
  std::vector<LeftOut> left_out_;
  double blend_ = 1;
};

}  // namespace

KernelSurface fit_surface(const KernelSetting& setting, std::span<const KernelSample> samples,
                          const SurfaceOptions& options) {
  MOESAIC_ASSERT(!samples.empty());
  return SurfaceFit(setting, samples, options).run();
}

}  // namespace moesaic
