// Drawing the experts of one token, with a limit on the groups that it may use.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "model/expert_groups.hpp"
#include "model/routing.hpp"

namespace moesaic {

class Draws;

/// Draws top_k experts one after another by popularity without replacement, as model/sampling.hpp does, leaving out
/// those that would open a group too many.
class ExpertDraw {
 public:
  /// Throws UserError if the limit does not fit the routing.
  ExpertDraw(const Routing& routing, const GroupLimit& limit);
  /// Fills `chosen`, of size top_k. Throws UserError if the groups within the limit hold too few experts of positive
  /// popularity.
  void draw(Draws& draws, std::span<std::int32_t> chosen);

  /// Expected uses of every expert by one token: mean over all drawn tokens of each draw's chances given those before
  /// it, which scatters less than the draws themselves.
  std::vector<double> inclusion() const;

 private:
  bool allowed(std::size_t expert) const;
  std::size_t next(Draws& draws, double left) const;
  std::size_t search(Draws& draws) const;
  double weight_left() const;
  void take(std::size_t expert);

  GroupLimit limit_;
  std::size_t group_size_ = 1;
  std::vector<double> weights_;      // largest is 1; zero for the experts that are always chosen
  std::vector<std::size_t> always_;  // chosen by every token
  double total_ = 0;
  std::vector<double> group_weight_;
  std::vector<double> threshold_;  // alias method (Walker 1977): keep, or take the alias
  std::vector<std::size_t> alias_;
  std::vector<char> taken_, open_;  // of the token being drawn
  std::vector<std::size_t> mine_;
  std::int64_t opened_ = 0;
  double tokens_ = 0;  // sums over all tokens drawn
  std::vector<double> group_chance_, taken_chance_, fixed_;
};

}  // namespace moesaic
