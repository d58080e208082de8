// The experts of one layer by where they are computed: how many are used in each place, by how many tokens.
#pragma once

#include <optional>

#include "model/operator.hpp"

namespace moesaic {

/// A part of the routed experts of a rank, as expected.
struct ExpertPart {
  double experts = 0;   ///< held
  double rows = 0;      ///< (token, expert) pairs
  double distinct = 0;  ///< experts that are used
  bool even = false;    ///< each used one by as many rows, or one more; else an expert's rows are binomial
  LoadRange loads{};    ///< of those that are meant among `experts`, if not all
};

/// `experts` less than those of `op`, used by that part of the rows and of the distinct ones.
GroupedGemm part_of(const GroupedGemm& op, const ExpertPart& part);

/// `share` of its rows, which use fewer experts: as many as of evenly likely ones.
GroupedGemm with_rows(const GroupedGemm& op, double share);

struct ResidentSplit {
  ExpertPart resident;
  ExpertPart missing;
};
/// `held`: share of the experts that is at hand; `hits`: share of the rows that are theirs. Experts of a part are
/// equally likely; both parts together are the rows and distinct experts of `op`.
ResidentSplit split_resident(const GroupedGemm& op, double held, double hits);

struct LoadSplit {
  ExpertPart light;
  ExpertPart heavy;
};
/// The experts of `part` that get at most `most` tokens of a step, and those with more. Where rows are not even, tokens
/// are independent: an expert's are binomial.
LoadSplit split_by_load(const ExpertPart& part, double tokens, double most);

/// P(X <= most) for X binomial(trials, chance); trials need not be whole. For a variance above 100 the normal
/// distribution with the same mean and variance (continuity corrected).
double binomial_at_most(double most, double trials, double chance);

}  // namespace moesaic
