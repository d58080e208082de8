#include "calibrate/kernel_core.hpp"

#include <Eigen/Dense>
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <vector>

#include "base/error.hpp"
#include "base/statistics.hpp"

namespace moesaic {

double core_seconds(const KernelCore& core, const KernelTerms& terms, double cache) {
  double memory = terms.memory / core.memory_fraction;
  if (cache > 0 && core.cache_gain > 1 && terms.footprint > 0) {
    const double relative = terms.footprint / cache;
    const double hit = 1 / (1 + relative * relative);
    memory *= 1 - hit * (1 - 1 / core.cache_gain);
  }
  const double compute = terms.compute / core.compute_fraction;
  const double longer = std::max(compute, memory), shorter = std::min(compute, memory);
  double roofs = longer;
  if (shorter > longer * 0.05) {
    // (1 + ratio^s)^(1/s): std::pow takes several times as long.
    const double corner = std::exp(core.sharpness * std::log(shorter / longer));
    roofs = longer * (corner < 1e-9 ? 1 : std::exp(std::log(1 + corner) / core.sharpness));
  }
  return core.fixed + core.step * terms.steps + roofs;
}

namespace {

constexpr int kParameters = 6;
using Vector = Eigen::Matrix<double, kParameters, 1>;
using Matrix = Eigen::Matrix<double, kParameters, kParameters>;

struct Range {
  double least;
  double most;
};
constexpr Range kRanges[kParameters] = {{1e-7, 2e-3}, {1e-15, 1e-3}, {0.005, 1}, {0.005, 1}, {1.2, 12}, {1, 6}};

/// Parameters as logarithms, kept in their ranges.
KernelCore core_of(const Vector& logs) {
  double p[kParameters];
  for (int i = 0; i < kParameters; ++i) {
    p[i] = std::exp(logs[i]);
  }
  return {p[0], p[1], p[2], p[3], p[4], p[5]};
}

void clamp(Vector& logs) {
  for (int i = 0; i < kParameters; ++i) {
    logs[i] = std::clamp(logs[i], std::log(kRanges[i].least), std::log(kRanges[i].most));
  }
}

/// Deviations beyond this are outliers of the physics, which the residual surface has to explain.
constexpr double kScale = 0.15;

class CoreFit {
 public:
  CoreFit(std::span<const KernelTerms> terms, std::span<const double> seconds, double cache)
      : terms_(terms), cache_(cache) {
    for (const double value : seconds) {
      logs_.push_back(std::log(value));
    }
  }

  double loss(const Vector& at) const {
    const KernelCore core = core_of(at);
    double sum = 0;
    for (std::size_t i = 0; i < terms_.size(); ++i) {
      const double r = (std::log(core_seconds(core, terms_[i], cache_)) - logs_[i]) / kScale;
      sum += std::sqrt(1 + r * r) - 1;
    }
    return sum;
  }

  Vector descend(Vector at) const {
    double best = loss(at), damping = 1e-2;
    for (int iteration = 0; iteration < 60; ++iteration) {
      Matrix normal = Matrix::Zero();
      Vector gradient = Vector::Zero();
      accumulate(at, normal, gradient);
      bool better = false;
      for (int attempt = 0; attempt < 8 && !better; ++attempt) {
        Matrix damped = normal;
        damped.diagonal() += damping * (normal.diagonal().array() + 1e-9).matrix();
        Vector next = at - damped.ldlt().solve(gradient);
        clamp(next);
        const double value = loss(next);
        if (value < best) {
          better = value < best * (1 - 1e-5);
          at = next;
          best = value;
          damping = std::max(1e-6, damping / 4);
          if (!better) {
            return at;
          }
        } else {
          damping *= 5;
        }
      }
      if (!better) {
        break;
      }
    }
    return at;
  }

 private:
  void accumulate(const Vector& at, Matrix& normal, Vector& gradient) const {
    constexpr double kStep = 1e-4;
    std::array<KernelCore, kParameters> moved;
    for (int p = 0; p < kParameters; ++p) {
      Vector next = at;
      next[p] += kStep;
      moved[static_cast<std::size_t>(p)] = core_of(next);
    }
    const KernelCore core = core_of(at);
    for (std::size_t i = 0; i < terms_.size(); ++i) {
      const double value = std::log(core_seconds(core, terms_[i], cache_));
      const double residual = value - logs_[i];
      const double relative = residual / kScale;
      const double weight = 1 / std::sqrt(1 + relative * relative);
      Vector slope;
      for (int p = 0; p < kParameters; ++p) {
        slope[p] = (std::log(core_seconds(moved[static_cast<std::size_t>(p)], terms_[i], cache_)) - value) / kStep;
      }
      normal.noalias() += weight * slope * slope.transpose();
      gradient += weight * residual * slope;
    }
  }

  std::span<const KernelTerms> terms_;
  double cache_;
  std::vector<double> logs_;
};

}  // namespace

KernelCore fit_core(std::span<const KernelTerms> terms, std::span<const double> seconds, double cache) {
  MOESAIC_ASSERT(!terms.empty() && terms.size() == seconds.size());
  const CoreFit fit(terms, seconds, cache);
  const double fastest = percentile({seconds.begin(), seconds.end()}, 0.02);
  double most_steps = 1e-30;
  for (const KernelTerms& term : terms) {
    most_steps = std::max(most_steps, term.steps);
  }
  // Two starts: with and without steps that matter.
  Vector best;
  double least = std::numeric_limits<double>::infinity();
  for (const double share : {1e-3, 1.0}) {
    Vector start;
    start << std::log(fastest), std::log(share * fastest / most_steps), std::log(0.6), std::log(0.7), std::log(3),
        std::log(1.5);
    clamp(start);
    const Vector found = fit.descend(start);
    if (const double value = fit.loss(found); value < least) {
      least = value;
      best = found;
    }
  }
  return core_of(best);
}

}  // namespace moesaic
