// Closed form of the load of the busiest rank; behind busiest_rank_load() and RankLoadTable.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "model/routing.hpp"

namespace moesaic {

/// Prepared once per (routing, ranks); derivation and accuracy in busiest_rank.cpp.
class BusiestRank {
 public:
  /// Throws UserError if there are more ranks than experts.
  BusiestRank(const Routing& routing, std::int64_t ranks);
  /// `tokens` >= 0; linear between whole numbers.
  RankLoad load(double tokens) const;

 private:
  struct Group {  // ranks alike
    double ranks = 1;
    std::size_t first = 0, experts = 0;  // of the first of them
    double mean = 0, spread = 0;         // rows of one token: sums of inclusion and of draw_spreads()
  };
  struct Marginal {  // rows of one rank, were the ranks independent
    double mean = 0, variance = 0;
  };
  class Maximum;

  RankLoad whole(double tokens) const;
  std::vector<Marginal> marginals(double tokens) const;
  double on_lattice(double tokens) const;
  void tally_lattice(const std::vector<Marginal>& ranks, double tokens, Maximum& maximum) const;
  void tally_normal(const std::vector<Marginal>& ranks, Maximum& maximum) const;
  double distinct(const Group& group, double tokens, double rows) const;

  Routing routing_;
  std::vector<double> spreads_;
  double spread_ = 0;  // of all experts
  double ranks_ = 1;
  std::vector<Group> groups_;
};

}  // namespace moesaic
