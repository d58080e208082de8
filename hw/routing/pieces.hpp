// Private to hw: the pieces that routes are put together from, and what of them can be left out.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "hw/routing.hpp"
#include "hw/routing/graph.hpp"

namespace moesaic {

using PieceId = std::uint32_t;
inline constexpr PieceId kNoPiece = ~0u;

/// Hops that a flow takes one and all, if it takes any of them.
class Pieces {
 public:
  PieceId add(std::span<const Routes::Hop> hops, double latency);
  std::span<const Routes::Hop> hops(PieceId piece) const {
    return {hops_.data() + pieces_[piece].begin, pieces_[piece].size};
  }
  std::span<Routes::Hop> hops(PieceId piece) { return {hops_.data() + pieces_[piece].begin, pieces_[piece].size}; }
  float latency(PieceId piece) const { return pieces_[piece].latency; }
  std::size_t size() const { return pieces_.size(); }

  /// Leaves out channels that carry the same shares of the same pieces as a channel with no more bandwidth: whatever
  /// flows take these pieces, that one is full first.
  void leave_out_repeated(const Topology& topology);
  /// Leaves out hops whose share is zero.
  void leave_out_unused();

 private:
  struct Piece {
    std::size_t begin = 0;
    std::uint32_t size = 0;
    float latency = 0;
  };
  template <class Unwanted>
  void remove_if(Unwanted&& unwanted);

  std::vector<Piece> pieces_;
  std::vector<Routes::Hop> hops_;
};

/// Takes paths out of a PathTree.
class PathReader {
 public:
  PathReader(const Topology& topology, const Adjacency& graph) : topology_(topology), graph_(graph) {}

  /// All shortest paths from the root to `target`, with the share of the paths that go through each channel; channels
  /// in order from the root. Returns the latency of the longest.
  double spread(const PathTree& tree, std::uint32_t target, std::vector<Routes::Hop>& hops);
  /// Appends the channels of one path. `pick(channels)` is asked at each step, from the target back to the root, which
  /// of the channels that lead there to take; channels are those of shortest paths, in the order of their links.
  template <class Pick>
  double one(const PathTree& tree, std::uint32_t target, Pick&& pick, std::vector<Routes::Hop>& hops);
  /// Appends path `index` of all of them, in a fixed order.
  double ranked(const PathTree& tree, std::uint32_t target, double index, std::vector<Routes::Hop>& hops);

  struct Step {
    ChannelId channel = 0;
    std::uint32_t from = 0;
    double paths = 0;  ///< from the root to `from`
  };

 private:
  const std::vector<Step>& steps_to(const PathTree& tree, std::uint32_t vertex);

  struct Known {
    std::uint32_t search = 0;  // of the tree
    std::vector<Step> steps;
  };
  const Topology& topology_;
  const Adjacency& graph_;
  const PathTree* tree_ = nullptr;
  std::vector<Known> known_;  // of each vertex
  std::vector<double> weight_, longest_;
  std::vector<std::uint32_t> layer_, next_layer_;
};

/// Picks the step from the lowest vertex, over the first of parallel links.
inline std::size_t first_step(const std::vector<PathReader::Step>& steps) {
  const auto lower = [](const PathReader::Step& a, const PathReader::Step& b) { return a.from < b.from; };
  return static_cast<std::size_t>(std::min_element(steps.begin(), steps.end(), lower) - steps.begin());
}

template <class Pick>
double PathReader::one(const PathTree& tree, std::uint32_t target, Pick&& pick, std::vector<Routes::Hop>& hops) {
  const std::size_t before = hops.size();
  double latency = 0;
  while (target != tree.root) {
    const std::vector<Step>& steps = steps_to(tree, target);
    const Step& step = steps[steps.size() == 1 ? 0 : pick(steps)];
    hops.push_back({step.channel, 1});
    latency += topology_.links[step.channel / 2].latency.value;
    target = step.from;
  }
  std::reverse(hops.begin() + static_cast<std::ptrdiff_t>(before), hops.end());
  return latency;
}

}  // namespace moesaic
