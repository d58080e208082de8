// Distributions of whole numbers: by two moments, sums, and the largest of several.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <span>
#include <vector>

namespace moesaic {

struct Moments {
  double mean = 0, variance = 0;
};

/// Chances of first, first+1, ... (whole numbers).
struct Count {
  double first = 0;
  std::vector<double> chances;
  std::vector<double> up_to;  ///< running sums of chances

  double last() const { return first + static_cast<double>(chances.size()) - 1; }
  double chance(double value) const {
    return value < first || value > last() ? 0 : chances[static_cast<std::size_t>(value - first)];
  }
  double at_most(double value) const {
    return value < first ? 0 : value >= last() ? 1 : up_to[static_cast<std::size_t>(value - first)];
  }
};

/// Binomial, Poisson or negative binomial, as the variance is below, at or above the mean (Panjer's class, with a real
/// number of slots), without its negligible tails and without values above `most`.
Count count_with(Moments moments, double most);
/// Of two independent counts, given that it is at most `most`.
Count sum(const Count& a, const Count& b, double most);

/// The largest of several random numbers: its mean, and which of them it is.
class Largest {
 public:
  struct Case {
    std::size_t which;
    double chance;  ///< that this one is the largest; ties are shared
    double value;   ///< and has this value
  };

  /// Not `detailed`: only two cases each, with the right mean and deviation of its value.
  Largest(std::size_t contenders, bool detailed) : detailed_(detailed), sums_(contenders) {}
  /// To be called with ascending values. `claims`: how likely each is the one that has `value`, on any common scale.
  void add(double value, double at_most, std::span<const double> claims);
  double mean() const { return sum_ / at_most_; }
  /// Chances sum to about 1.
  std::vector<Case> cases() const;

 private:
  bool detailed_;
  double at_most_ = 0, sum_ = 0;
  std::vector<std::array<double, 3>> sums_;
  std::vector<Case> cases_;
};

/// Adds the largest of independent counts, of which `alike[i]` are distributed as counts[i]; given that all of them add
/// up to `total` (at some thousand operations a value) if there is one.
void add_largest(std::span<const Count> counts, std::span<const double> alike, std::optional<double> total,
                 Largest& largest);
/// The same for counts so large that they are nearly normal, with the skewness of count_with().
void add_largest(std::span<const Moments> counts, std::span<const double> alike, Largest& largest);

}  // namespace moesaic
