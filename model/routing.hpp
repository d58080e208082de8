// Routing statistics: how a layer's tokens spread over experts and over the ranks that hold them.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/config.hpp"

namespace moesaic {

/// How often each expert of a layer is chosen. Experts are dealt to ranks in contiguous blocks.
class Routing {
 public:
  /// Every expert equally likely.
  static Routing uniform(std::int64_t experts, std::int64_t top_k);
  /// Tokens dealt to the experts in turn: each gets as many as any other, or one less. What balancing aims at and what
  /// simulators without a router assume; `uniform` draws, so that some expert and some rank get more than their share.
  static Routing even(std::int64_t experts, std::int64_t top_k);
  /// Popularity of the i-th most popular expert proportional to 1/(i+1)^exponent. If `spread`, experts are ordered so
  /// that equal contiguous blocks on any power-of-two number of ranks deal them round-robin by popularity; in
  /// popularity order (worst case: the popular ones together) otherwise. The exponent is in [0, 10].
  static Routing zipf(std::int64_t experts, std::int64_t top_k, double exponent, bool spread = true);
  /// Relative popularity given per expert (any positive scale); size = experts. Zero means never chosen; at least top_k
  /// must be positive.
  static Routing histogram(std::int64_t top_k, std::vector<double> popularity);
  /// Chosen experts of recorded tokens: trace[i] in [0, experts), top_k entries a token, tokens one after another. Only
  /// how often each expert was chosen is kept.
  static Routing trace(std::int64_t experts, std::int64_t top_k, std::span<const std::int32_t> chosen);
  /// "uniform", "even", "zipf:1.2" (exponent), or the path of a JSON file {"top_k": k, "histogram": [...]} or
  /// {"experts": E, "top_k": k, "trace": [...]}; a member "source" may say where it is from. Throws UserError if it
  /// does not match experts and top_k.
  static Routing parse(std::string_view text, std::int64_t experts, std::int64_t top_k);

  std::int64_t experts() const { return static_cast<std::int64_t>(inclusion_.size()); }
  std::int64_t top_k() const { return top_k_; }
  bool is_uniform() const { return uniform_; }
  bool is_even() const { return even_; }  ///< then also uniform
  /// Probability that one token uses expert e; sums to top_k.
  std::span<const double> inclusion() const { return inclusion_; }
  /// Relative weights by which a token draws its experts without replacement; infinite for an expert always chosen.
  std::span<const double> popularity() const { return popularity_; }

  /// Expected number of experts that at least one of `tokens` independent tokens uses: sum over e of 1-(1-p_e)^tokens;
  /// uniform: E(1-(1-k/E)^N); even: min(E, k N). `tokens` may be fractional; below one token it is that fraction of a
  /// token's top_k.
  double distinct(double tokens) const;

 private:
  Routing(std::int64_t top_k, std::vector<double> popularity, std::vector<double> inclusion, bool uniform);
  std::int64_t top_k_ = 0;
  std::vector<double> popularity_;
  std::vector<double> inclusion_;
  bool uniform_ = false;
  bool even_ = false;
};

/// Load of the busiest of `ranks` ranks: the one with the most rows. Each holds experts/ranks experts, the first ranks
/// one more if that does not divide.
struct RankLoad {
  double rows = 0;      ///< expected (token, expert) pairs on the busiest rank
  double distinct = 0;  ///< expected distinct experts used on that rank (mean of the busiest ones on a tie)
  double widest = 0;    ///< expected distinct experts on whichever rank uses the most, which need not be that one
};

/// Expected busiest-rank load, prepared once per (routing, ranks) and then a table look-up of a few nanoseconds.
class RankLoadTable {
 public:
  /// Throws UserError if there are more ranks than experts.
  RankLoadTable(const Routing& routing, std::int64_t ranks);
  /// Busiest rank for `tokens` tokens over the whole expert-parallel group. Monotone in tokens; rows at least balanced;
  /// distinct at most rows and at most the experts of a rank.
  RankLoad busiest(double tokens) const;
  /// The balanced idealisation: every rank gets an equal share of the pairs and of the distinct experts that this
  /// routing uses. Never above the busiest rank.
  RankLoad balanced(double tokens) const;
  std::int64_t ranks() const { return ranks_; }
  bool is_even() const { return even_; }
  bool is_uniform() const { return uniform_; }  ///< drawn alike

 private:
  RankLoad look_up(const std::vector<RankLoad>& table, double tokens) const;

  std::int64_t ranks_ = 1;
  double experts_per_rank_ = 0;
  double log_unused_ = 0;  // log of the chance that one token leaves an expert unused; uniform routing only
  bool uniform_ = false;
  bool even_ = false;  // needs no tables
  double top_k_ = 0, experts_ = 0, largest_block_ = 0;
  std::vector<RankLoad> busiest_;
  std::vector<RankLoad> balanced_;
};

/// Closed form of the expected busiest-rank load, derived in busiest_rank.cpp: exact for one rank, even routing, one
/// token under uniform routing, and few tokens under top-1 routing; else matched in mean and covariance. Between whole
/// numbers of tokens it is linear. Throws UserError if there are more ranks than experts.
RankLoad busiest_rank_load(const Routing& routing, std::int64_t ranks, double tokens);
/// The same by simulation: `trials` batches of `tokens` tokens drawn without replacement. A function of the seed only.
/// tokens, trials >= 1 and below 2^32.
RankLoad simulate_busiest_rank_load(const Routing& routing, std::int64_t ranks, std::int64_t tokens,
                                    std::int64_t trials, std::uint64_t seed);

}  // namespace moesaic
