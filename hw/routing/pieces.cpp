#include "hw/routing/pieces.hpp"

#include <algorithm>
#include <bit>
#include <tuple>

namespace moesaic {
namespace {

// Steele, Lea and Flood's mixer (SplitMix64).
std::uint64_t mixed(std::uint64_t value) {
  value += 0x9e3779b97f4a7c15;
  value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9;
  value = (value ^ (value >> 27)) * 0x94d049bb133111eb;
  return value ^ (value >> 31);
}

// Stands for the set of (piece, share) of a channel: sums of mixed entries. 128 bits make a chance equality of two of a
// million different sets as likely as 1e-27.
struct Column {
  std::uint64_t low = 0, high = 0;
  auto operator<=>(const Column&) const = default;
};

}  // namespace

PieceId Pieces::add(std::span<const Routes::Hop> hops, double latency) {
  pieces_.push_back({hops_.size(), static_cast<std::uint32_t>(hops.size()), static_cast<float>(latency)});
  hops_.insert(hops_.end(), hops.begin(), hops.end());
  return static_cast<PieceId>(pieces_.size() - 1);
}

void Pieces::leave_out_repeated(const Topology& topology) {
  std::vector<Column> columns(topology.channels());
  std::vector<ChannelId> used;
  for (PieceId piece = 0; piece < pieces_.size(); ++piece) {
    for (const Routes::Hop& hop : hops(piece)) {
      Column& column = columns[hop.channel];
      if (column == Column{}) {
        used.push_back(hop.channel);
      }
      const std::uint64_t entry = mixed((std::uint64_t{piece} << 32) | std::bit_cast<std::uint32_t>(hop.share));
      column.low += entry;
      column.high += mixed(entry);
    }
  }
  const auto rank = [&](ChannelId channel) {
    return std::tuple(columns[channel], topology.links[channel / 2].bandwidth, channel);
  };
  std::sort(used.begin(), used.end(), [&](ChannelId a, ChannelId b) { return rank(a) < rank(b); });
  std::vector<bool> kept(topology.channels());
  for (std::size_t i = 0; i < used.size(); ++i) {
    kept[used[i]] = i == 0 || columns[used[i]] != columns[used[i - 1]];
  }
  remove_if([&](const Routes::Hop& hop) { return !kept[hop.channel]; });
}

void Pieces::leave_out_unused() {
  remove_if([](const Routes::Hop& hop) { return hop.share == 0; });
}

template <class Unwanted>
void Pieces::remove_if(Unwanted&& unwanted) {
  for (Piece& piece : pieces_) {
    const auto begin = hops_.begin() + static_cast<std::ptrdiff_t>(piece.begin);
    piece.size = static_cast<std::uint32_t>(std::remove_if(begin, begin + piece.size, unwanted) - begin);
  }
}

const std::vector<PathReader::Step>& PathReader::steps_to(const PathTree& tree, std::uint32_t vertex) {
  if (tree_ != &tree) {
    tree_ = &tree;
    known_.assign(graph_.size(), {});
  }
  Known& known = known_[vertex];
  if (known.search == tree.searches) {
    return known.steps;
  }
  known.search = tree.searches;
  known.steps.clear();
  for (const Adjacency::Arc& arc : graph_.arcs(vertex)) {
    if (tree.distance[arc.to] == tree.distance[vertex] - 1 && tree.passes(arc.to)) {
      known.steps.push_back({arc.channel ^ 1, arc.to, tree.paths[arc.to]});
    }
  }
  return known.steps;
}

double PathReader::spread(const PathTree& tree, std::uint32_t target, std::vector<Routes::Hop>& hops) {
  hops.clear();
  weight_.resize(graph_.size());
  longest_.resize(graph_.size());
  layer_.assign(1, target);
  weight_[target] = 1;
  longest_[target] = 0;
  while (layer_.front() != tree.root) {
    next_layer_.clear();
    for (const std::uint32_t vertex : layer_) {
      const std::vector<Step>& steps = steps_to(tree, vertex);
      for (const Step& step : steps) {
        const double share = weight_[vertex] * (step.paths / tree.paths[vertex]);
        hops.push_back({step.channel, static_cast<float>(share)});
        if (weight_[step.from] == 0) {
          next_layer_.push_back(step.from);
        }
        weight_[step.from] += share;
        longest_[step.from] =
            std::max(longest_[step.from], longest_[vertex] + topology_.links[step.channel / 2].latency.value);
      }
      weight_[vertex] = 0;
      longest_[vertex] = 0;
    }
    layer_.swap(next_layer_);
  }
  const double latency = longest_[tree.root];
  weight_[tree.root] = longest_[tree.root] = 0;
  std::reverse(hops.begin(), hops.end());
  return latency;
}

double PathReader::ranked(const PathTree& tree, std::uint32_t target, double index, std::vector<Routes::Hop>& hops) {
  return one(
      tree, target,
      [&](const std::vector<Step>& steps) {
        std::size_t i = 0;
        while (i + 1 < steps.size() && index >= steps[i].paths) {
          index -= steps[i++].paths;
        }
        return i;
      },
      hops);
}

}  // namespace moesaic
