// Closed form of the load of the busiest rank; behind busiest_rank_load() and RankLoadTable.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "model/count.hpp"
#include "model/expert_use.hpp"
#include "model/routing.hpp"

namespace moesaic {

/// Of a rank that holds `held` of the experts and gets what is left over when tokens are dealt; linear between whole
/// numbers of tokens.
RankLoad even_load(double tokens, double top_k, double experts, double held);

/// Prepared once per (routing, ranks); derivation and accuracy in busiest_rank.cpp.
class BusiestRank {
 public:
  /// Throws UserError if there are more ranks than experts.
  BusiestRank(const Routing& routing, std::int64_t ranks);
  /// `tokens` >= 0; linear between whole numbers.
  RankLoad load(double tokens) const;

 private:
  struct Part {  // of a rank's experts
    std::vector<std::size_t> experts;
    double inclusion = 0, spread = 0;  // sums; see draw_spreads()
  };
  struct Group {                // ranks alike
    std::array<Part, 2> parts;  // popular experts, the others
    double inclusion = 0, spread = 0;
    std::size_t experts = 0;
  };
  using PartCounts = std::array<Count, 2>;

  RankLoad whole(double tokens) const;
  RankLoad busiest(double tokens) const;
  double widest(double tokens) const;
  std::vector<double> variance_factors(double tokens) const;
  PartCounts part_counts(const Group& group, double tokens, double variance_factor) const;
  std::vector<ExpertSlots> slots(double tokens) const;
  double distinct(const Group& group, std::span<const ExpertSlots> slots, double tokens, double rows) const;
  double distinct(const Group& group, std::span<const ExpertSlots> slots, const PartCounts& counts, double rows) const;
  double used(const Part& part, std::span<const ExpertSlots> slots, double rows, bool fixed) const;

  Routing routing_;
  std::vector<double> spreads_;
  double spread_ = 0;  // of all experts
  double experts_ = 0, top_k_ = 0, ranks_ = 0;
  double held_ = 0;  // most experts of a rank
  std::vector<Group> groups_;
  std::vector<double> alike_;  // ranks of each group
};

}  // namespace moesaic
