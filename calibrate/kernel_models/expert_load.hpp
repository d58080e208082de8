// What one rank of an expert-parallel group has to do in the routings that mixture-of-experts kernels are measured
// with.
#pragma once

namespace moesaic {

/// Work of the measured rank.
struct ExpertLoad {
  double rows = 0;      ///< pairs of a token and one of the rank's experts
  double distinct = 0;  ///< experts of the rank that at least one token chose
  double largest = 0;   ///< rows of its most loaded expert
};

struct RoutedGroup {
  double tokens = 1;  ///< of the whole group
  double top_k = 1;
  double experts = 1;
  double ranks = 1;
};

/// Tokens take experts round-robin; the first rank is measured. Exact.
ExpertLoad balanced_load(const RoutedGroup& group);

/// Experts' loads are independent draws from a power law with exponent `skew` and the most loaded rank is measured:
/// expected values over the draws, within about 3 % (by 127 fixed draws).
ExpertLoad skewed_load(const RoutedGroup& group, double skew);

/// The same after the most loaded experts were copied into `slots` and the copies spread evenly over the ranks.
ExpertLoad copied_load(const RoutedGroup& group, double skew, double slots);

}  // namespace moesaic
