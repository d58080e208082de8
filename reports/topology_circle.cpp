// Routers on a circle; those that local links join lie side by side, with a gap to the next group.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>

#include "reports/names.hpp"
#include "reports/topology_scene.hpp"

namespace moesaic {
namespace {

constexpr double kHeight = 760, kRadius = 330;
constexpr std::size_t kMostRouters = 300, kMostItems = 64;

// The group of each router: routers that local links join.
std::vector<std::size_t> groups_of(const Topology& topology, const std::vector<VertexId>& routers) {
  std::vector<std::size_t> parent(topology.vertices.size());
  std::iota(parent.begin(), parent.end(), std::size_t{0});
  const auto root = [&](std::size_t v) {
    while (parent[v] != v) {
      v = parent[v] = parent[parent[v]];
    }
    return v;
  };
  for (const TopologyLink& link : topology.links) {
    if (link.role == LinkRole::local) {
      parent[std::max(root(link.a), root(link.b))] = std::min(root(link.a), root(link.b));
    }
  }
  std::vector<std::size_t> group(routers.size());
  std::size_t count = 0;
  for (std::size_t i = 0; i < routers.size(); ++i) {
    group[i] = root(routers[i]) == routers[i] ? count++ : group[root(routers[i]) - routers.front()];
  }
  return group;
}

// What is one item: each router, or whole groups, or runs of either.
std::vector<std::size_t> items_of(const std::vector<std::size_t>& group, std::size_t groups) {
  std::vector<std::size_t> item(group.size());
  const bool one_each = group.size() <= kMostRouters;
  const bool by_group = !one_each && groups > 1;
  const std::size_t units = by_group ? groups : group.size();
  const std::size_t items = one_each ? units : std::min(units, kMostItems);
  for (std::size_t i = 0; i < group.size(); ++i) {
    item[i] = (by_group ? group[i] : i) * items / units;
  }
  return item;
}

}  // namespace

Scene circle_scene(const Topology& topology) {
  std::vector<VertexId> routers;
  for (VertexId v = 0; v < topology.vertices.size(); ++v) {
    if (topology.vertices[v].node < 0 && topology.vertices[v].kind == VertexKind::switch_) {
      routers.push_back(v);
    }
  }
  const std::vector<std::size_t> group = groups_of(topology, routers);
  const std::size_t groups = group.back() + 1;
  const std::vector<std::size_t> item = items_of(group, groups);
  const std::size_t items = item.back() + 1;
  const bool gaps = items == routers.size() && groups > 1;
  const double places = static_cast<double>(items) + (gaps ? static_cast<double>(groups) : 0);

  Scene scene;
  scene.width = kSceneWidth;
  scene.height = kHeight;
  scene.dot = std::clamp(800 / places, 3.0, 9.0);
  Bundles bundles(topology);
  std::vector<std::size_t> members(items);
  for (std::size_t i = 0; i < routers.size(); ++i) {
    bundles.put(routers[i], item[i]);
    if (members[item[i]]++ == 0) {
      const double place = static_cast<double>(item[i]) + (gaps ? static_cast<double>(group[i]) : 0);
      const double angle = 2 * std::numbers::pi * place / places - std::numbers::pi / 2;
      scene.items.push_back(
          {kSceneWidth / 2 + kRadius * std::cos(angle), kHeight / 2 + kRadius * std::sin(angle), 0, 0,
           groups > 1 ? static_cast<int>(group[i] % 7) : 0, "",
           groups > 1 ? fmt::format("group {}, from router {}", group[i], i) : fmt::format("router {}", i)});
    }
  }
  for (std::size_t i = 0; i < items; ++i) {
    scene.items[i].title += members[i] > 1 ? fmt::format(" on: {} routers", members[i]) : "";
  }
  bundles.add_edges(scene);
  std::string text = fmt::format("{} routers", count_text(static_cast<double>(routers.size())));
  text += groups > 1 ? fmt::format(" in {} groups", count_text(static_cast<double>(groups))) : "";
  scene.labels.push_back({8, 24, text});
  if (items < routers.size()) {
    scene.labels.push_back(
        {8, 46,
         fmt::format("a dot stands for about {} of them",
                     count_text(std::round(static_cast<double>(routers.size()) / static_cast<double>(items))))});
  }
  return scene;
}

}  // namespace moesaic
