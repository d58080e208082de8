// How many of a set of experts are used, given how many rows (token, expert pairs) they have together.
#pragma once

#include <cstddef>
#include <span>

namespace moesaic {

/// The rows of one expert as a binomial count, whatever the set's total.
struct ExpertSlots {
  double slots = 0;  ///< may be infinite (Poisson)
  double odds = 0;   ///< of a slot being taken, times the slots: mean / (1 - mean/slots)
};

/// From the expert's mean rows and their variance.
ExpertSlots expert_slots(double mean, double variance);

/// Expected number of the `chosen` of `experts` that have any rows, when together they have `rows`: always, if `fixed`,
/// else on average. Each expert's count is tilted (odds times a common factor) so that the means add up to `rows`; see
/// Jensen, "Saddlepoint Approximations", chapter 2.
double expected_used(std::span<const ExpertSlots> experts, std::span<const std::size_t> chosen, double rows,
                     bool fixed);

/// The same for `count` experts alike. Exact if `fixed` and slots or rows are 1, or slots are infinite.
double expected_used(ExpertSlots expert, double count, double rows, bool fixed);

}  // namespace moesaic
