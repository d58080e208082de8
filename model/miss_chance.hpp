// The chance that a token's experts miss a rank or a node, where all experts are equally likely: closed forms.
#pragma once

#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "model/expert_groups.hpp"

namespace moesaic {

/// Experts of a place, with the share of each one's tokens that it gets; each expert once.
using ExpertShares = std::vector<std::pair<std::int32_t, double>>;

/// Derived in miss_chance.cpp. Remembers what it computed, so places that are alike cost little.
class MissChance {
 public:
  /// Needs valid sizes (check_group_limit). exact() says whether the closed form covers them.
  MissChance(std::int64_t experts, std::int64_t top_k, const GroupLimit& limit);
  static bool exact(std::int64_t top_k, const GroupLimit& limit);
  /// Chance that none of a token's experts is used at the place.
  double operator()(const ExpertShares& shares);

 private:
  double unlimited(const std::vector<double>& shares) const;
  double limited(const std::vector<std::vector<double>>& groups) const;

  std::int64_t experts_, top_k_;
  GroupLimit limit_;
  std::map<std::vector<double>, double> known_;
};

}  // namespace moesaic
