// The least that the busiest channel can be busy with shares over shortest paths, approached from both sides. Weights
// of channels give a bound: the bytes of a pair weigh at least as much as on its lightest path, and a weighted mean of
// loads is no more than the largest. Moving shares from heavy paths to light ones gives shares: pairwise steps of Frank
// and Wolfe on the log-sum-exp of the loads, ever sharper, one pair at a time.
#include <algorithm>
#include <cmath>

#include "hw/routing/router.hpp"

namespace moesaic {
namespace {

constexpr int kMostRounds = 200;
constexpr double kGoodEnough = 1e-3;  // of the bound
constexpr double kFlat = 1e-5;        // a slope as near to zero as the bound needs
constexpr float kUnused = 1e-7f;      // a share that single precision does not tell from zero

class Evening {
 public:
  Evening(const Topology& topology, const NetworkGraph& network, std::span<const SwitchPair> pairs,
          const Pieces& pieces)
      : pairs_(pairs), path_weight_(network.switches.size()), arrived_by_(network.switches.size()) {
    std::vector<std::int32_t> place(topology.channels(), -1);
    for (const SwitchPair& pair : pairs) {
      first_.push_back(entries_.size());
      for (const Routes::Hop& hop : pieces.hops(pair.piece)) {
        if (place[hop.channel] < 0) {
          place[hop.channel] = static_cast<std::int32_t>(cost_.size());
          cost_.push_back(1 / topology.links[hop.channel / 2].bandwidth.value);
        }
        const auto number = [&](VertexId v) { return static_cast<std::uint32_t>(network.number[v]); };
        entries_.push_back({static_cast<std::uint32_t>(place[hop.channel]), number(topology.from(hop.channel)),
                            number(topology.to(hop.channel)), hop.share, 0});
      }
    }
    first_.push_back(entries_.size());
    load_.resize(cost_.size());
    for (std::size_t pair = 0; pair < pairs_.size(); ++pair) {
      for (std::size_t i = first_[pair]; i < first_[pair + 1]; ++i) {
        load_[entries_[i].channel] += pairs_[pair].bytes * entries_[i].share * cost_[entries_[i].channel];
      }
    }
    weight_.resize(cost_.size());
  }

  /// Returns the bound; shares() are then the best that were found.
  double run() {
    keep_shares();
    for (int round = 0; round < kMostRounds && best_ > bound_ * (1 + kGoodEnough); ++round) {
      // As sharp as it takes to tell loads within the gap apart.
      const double gap = std::max(best_ - bound_, kGoodEnough * best_);
      sharpness_ = 2 * std::log(static_cast<double>(cost_.size()) + 1) / gap;
      weigh();
      raise_bound();
      improve(busiest(load_));
      if (busiest(load_) < best_) {
        keep_shares();
      }
    }
    return std::min(bound_, best_);
  }
  const std::vector<float>& shares() const { return best_shares_; }

 private:
  struct Entry {
    std::uint32_t channel = 0;  // place among those that are used
    std::uint32_t from = 0, to = 0;
    double share = 0;
    int move = 0;  // 1 on the pair's lightest path, -1 on the heaviest that it uses, 0 on both or neither
  };

  static double busiest(const std::vector<double>& load) {
    return load.empty() ? 0 : *std::max_element(load.begin(), load.end());
  }

  void keep_shares() {
    best_ = busiest(load_);
    best_shares_.clear();
    for (const Entry& entry : entries_) {
      best_shares_.push_back(static_cast<float>(entry.share));
    }
  }

  // Weights add up to one.
  void weigh() {
    const double most = busiest(load_);
    double sum = 0;
    for (std::size_t c = 0; c < cost_.size(); ++c) {
      weight_[c] = std::exp(sharpness_ * (load_[c] - most));
      sum += weight_[c];
    }
    for (double& weight : weight_) {
      weight /= sum;
    }
  }

  // The weight of the lightest path, or of the heaviest that is used; marks it by adding `mark` to its moves.
  double find_path(std::size_t pair, bool heaviest, int mark) {
    const double worst = heaviest ? -1 : HUGE_VAL;
    for (std::size_t i = first_[pair]; i < first_[pair + 1]; ++i) {
      path_weight_[entries_[i].to] = worst;
    }
    path_weight_[pairs_[pair].from] = 0;
    for (std::size_t i = first_[pair]; i < first_[pair + 1]; ++i) {  // in order from the source
      const Entry& entry = entries_[i];
      if (heaviest && (entry.share <= 0 || path_weight_[entry.from] < 0)) {
        continue;
      }
      const double weight = path_weight_[entry.from] + weight_[entry.channel] * cost_[entry.channel];
      if (heaviest ? weight > path_weight_[entry.to] : weight < path_weight_[entry.to]) {
        path_weight_[entry.to] = weight;
        arrived_by_[entry.to] = i;
      }
    }
    for (std::uint32_t at = pairs_[pair].to; at != pairs_[pair].from; at = entries_[arrived_by_[at]].from) {
      entries_[arrived_by_[at]].move += mark;
    }
    return path_weight_[pairs_[pair].to];
  }

  void raise_bound() {
    double bound = 0;
    for (std::size_t pair = 0; pair < pairs_.size(); ++pair) {
      bound += pairs_[pair].bytes * find_path(pair, false, 0);
    }
    bound_ = std::max(bound_, bound);
  }

  // For one pair after the other moves shares from the heaviest path to the lightest under the loads of the moment, by
  // the step that makes the log-sum-exp of the loads least.
  void improve(double most) {
    for (std::size_t pair = 0; pair < pairs_.size(); ++pair) {
      for (std::size_t i = first_[pair]; i < first_[pair + 1]; ++i) {
        const std::uint32_t channel = entries_[i].channel;
        weight_[channel] = std::exp(sharpness_ * (load_[channel] - most));
        entries_[i].move = 0;
      }
      find_path(pair, false, 1);
      find_path(pair, true, -1);
      move(pair, best_step(pair));
    }
  }

  double change(std::size_t pair, const Entry& entry) const {
    return pairs_[pair].bytes * entry.move * cost_[entry.channel];
  }

  // Where the derivative is zero, by bisection: it grows.
  double best_step(std::size_t pair) const {
    double low = 0, high = 1, step = 0;
    for (std::size_t i = first_[pair]; i < first_[pair + 1]; ++i) {
      high = entries_[i].move < 0 ? std::min(high, entries_[i].share) : high;
    }
    const double all = high;
    for (int i = 0; i < 40; ++i) {
      step = (low + high) / 2;
      double most = 0, slope = 0, size = 0;
      for (std::size_t e = first_[pair]; e < first_[pair + 1]; ++e) {
        most = std::max(most, load_[entries_[e].channel] + step * change(pair, entries_[e]));
      }
      for (std::size_t e = first_[pair]; e < first_[pair + 1]; ++e) {
        const double by = change(pair, entries_[e]);
        const double term = by * std::exp(sharpness_ * (load_[entries_[e].channel] + step * by - most));
        slope += term;
        size += std::abs(term);
      }
      if (std::abs(slope) <= kFlat * size) {
        return step;
      }
      (slope < 0 ? low : high) = step;
    }
    return high == all ? all : step;  // all of it: the path is given up
  }

  void move(std::size_t pair, double step) {
    for (std::size_t i = first_[pair]; i < first_[pair + 1]; ++i) {
      Entry& entry = entries_[i];
      load_[entry.channel] += step * change(pair, entry);
      entry.share = std::max(0.0, entry.share + step * entry.move);
    }
  }

  std::span<const SwitchPair> pairs_;
  std::vector<std::size_t> first_;  // entry of each pair
  std::vector<Entry> entries_;
  std::vector<double> cost_, load_, weight_;  // of each channel in use; loads in seconds
  std::vector<double> path_weight_;           // of a way to each switch
  std::vector<std::size_t> arrived_by_;       // its last entry
  double bound_ = 0, best_ = 0, sharpness_ = 0;
  std::vector<float> best_shares_;
};

}  // namespace

Seconds even_out(const Topology& topology, const NetworkGraph& network, std::span<const SwitchPair> pairs,
                 Pieces& pieces) {
  Evening evening(topology, network, pairs, pieces);
  const double bound = evening.run();
  std::size_t next = 0;
  for (const SwitchPair& pair : pairs) {
    for (Routes::Hop& hop : pieces.hops(pair.piece)) {
      const float share = evening.shares()[next++];
      hop.share = share > kUnused ? share : 0;
    }
  }
  pieces.leave_out_unused();
  return {bound};
}

}  // namespace moesaic
