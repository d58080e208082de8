// Drawing k of E experts without replacement: how often each is drawn, and how the draws hang together.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace moesaic {

/// Probability that each expert is among `count` drawn one after another without replacement, each draw proportional
/// to the popularity of those left (what keeping the largest of score + Gumbel noise does). Sums to `count`; exact up
/// to quadrature, error below 1e-7. Needs 1 <= count <= number of positive popularities; others get 0.
std::vector<double> inclusion_probabilities(std::span<const double> popularity, std::int64_t count);

/// Spreads c_e of one token's draws: the covariance of the indicators is close to diag(c) - c c'/sum(c), so the number
/// of draws in a set A of experts has variance C_A (1 - C_A/C), C_A the sum over A. Exact if `count` is 1 and for equal
/// probabilities. Source: Deville and Tille 2005, "Variance approximation under balanced sampling", fixed-point rule.
std::vector<double> draw_spreads(std::span<const double> inclusion, std::int64_t count);

}  // namespace moesaic
