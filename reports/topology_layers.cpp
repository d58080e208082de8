// Topologies in layers: nodes below, then leaves, spines and cores; and the inside of one node.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <queue>

#include "reports/names.hpp"
#include "reports/topology_scene.hpp"

namespace moesaic {
namespace {

constexpr double kLayersMargin = 110, kLayerHeight = 110, kLayersTop = 40;
constexpr std::size_t kMostNodes = 32, kMostSwitches = 48, kMostInNode = 72;

const char* layer_name(int level, bool one) {
  constexpr const char* kNames[][2] = {{"node", "nodes"}, {"leaf", "leaves"}, {"spine", "spines"}, {"core", "cores"}};
  return level <= 3 ? kNames[level][one ? 0 : 1] : one ? "switch" : "switches";
}

// Members of one layer: those of one plane are kept together.
struct Layer {
  std::string one, many;
  std::vector<std::vector<VertexId>> members;  // by plane
  std::size_t size() const {
    std::size_t sum = 0;
    for (const auto& plane : members) {
      sum += plane.size();
    }
    return sum;
  }
};

struct Bundle {
  std::size_t first = 0, last = 0;
  int colour = 0;
  std::vector<VertexId> vertices;
};

std::vector<Bundle> bundles_of(const Layer& layer, std::size_t most) {
  std::vector<Bundle> bundles;
  std::size_t number = 0;
  const std::size_t each = std::max<std::size_t>(1, most / std::max<std::size_t>(1, layer.members.size()));
  for (std::size_t plane = 0; plane < layer.members.size(); ++plane) {
    const std::vector<VertexId>& members = layer.members[plane];
    const std::size_t limit = layer.size() <= most ? members.size() : each;
    const std::size_t whole = (members.size() + limit - 1) / std::max<std::size_t>(1, limit);  // of one bundle
    const std::size_t parts = (members.size() + whole - 1) / std::max<std::size_t>(1, whole);
    for (std::size_t part = 0; part < parts; ++part) {
      const std::size_t begin = part * members.size() / parts, end = (part + 1) * members.size() / parts;
      bundles.push_back(
          {number + begin,
           number + end - 1,
           static_cast<int>(plane % 8),
           {members.begin() + static_cast<std::ptrdiff_t>(begin), members.begin() + static_cast<std::ptrdiff_t>(end)}});
    }
    number += members.size();
  }
  return bundles;
}

std::string title_of(const Layer& layer, const Bundle& bundle) {
  return bundle.first == bundle.last ? fmt::format("{} {}", layer.one, bundle.first)
                                     : fmt::format("{} {} to {}", layer.many, bundle.first, bundle.last);
}

// Draws one layer at height y; `use(vertex, item)` is told what stands for what.
template <class Use>
void add_layer(Scene& scene, const Layer& layer, double y, std::size_t most, int plain_colour, Use&& use) {
  const std::vector<Bundle> bundles = bundles_of(layer, most);
  const double step = (kSceneWidth - 2 * kLayersMargin) / static_cast<double>(bundles.size());
  const double width = std::min(64.0, 0.8 * step);
  std::vector<std::string> texts;
  std::size_t longest = 0, largest = 0;
  for (const Bundle& bundle : bundles) {
    const std::size_t count = bundle.vertices.size();
    texts.push_back(count > 1 ? "x" + std::to_string(count) : std::to_string(bundle.first));
    longest = std::max(longest, texts.back().size());
    largest = std::max(largest, count);
  }
  const bool has_room = width >= 7.5 * static_cast<double>(longest);
  for (std::size_t i = 0; i < bundles.size(); ++i) {
    const Bundle& bundle = bundles[i];
    for (const VertexId vertex : bundle.vertices) {
      use(vertex, scene.items.size());
    }
    scene.items.push_back({kLayersMargin + (static_cast<double>(i) + 0.5) * step, y, width, 26,
                           layer.members.size() > 1 ? bundle.colour : plain_colour, has_room ? texts[i] : "",
                           title_of(layer, bundle)});
  }
  const std::size_t count = layer.size();
  const double at = y + (largest > 1 ? -3 : 4);
  scene.labels.push_back({8, at, count_text(static_cast<double>(count)) + " " + (count == 1 ? layer.one : layer.many)});
  if (largest > 1) {
    scene.labels.push_back({8, at + 17, "a box: " + count_text(static_cast<double>(largest))});
  }
}

void by_plane(Layer& layer, VertexId vertex, std::int32_t plane) {
  const auto at = static_cast<std::size_t>(std::max(0, plane));
  layer.members.resize(std::max(layer.members.size(), at + 1));
  layer.members[at].push_back(vertex);
}

}  // namespace

Scene layered_scene(const Topology& topology) {
  std::map<int, Layer> layers;  // by level; nodes are 0, each known by its number
  layers[0] = {layer_name(0, true), layer_name(0, false), {{}}};
  for (std::uint32_t node = 0; node < topology.nodes; ++node) {
    layers[0].members[0].push_back(node);
  }
  for (VertexId v = 0; v < topology.vertices.size(); ++v) {
    const Vertex& vertex = topology.vertices[v];
    if (vertex.node < 0) {
      const int level = std::max<int>(1, vertex.level);
      Layer& layer = layers[level];
      layer.one = layer_name(level, true);
      layer.many = layer_name(level, false);
      by_plane(layer, v, vertex.plane);
    }
  }
  Scene scene;
  scene.width = kSceneWidth;
  scene.height = kLayersTop + kLayerHeight * static_cast<double>(layers.size() - 1) + 30;
  Bundles bundles(topology);
  std::vector<std::size_t> item_of_node(topology.nodes);
  double y = scene.height - 30;
  for (const auto& [level, layer] : layers) {
    add_layer(scene, layer, y, level == 0 ? kMostNodes : kMostSwitches,
              level == 0   ? 7
              : level == 1 ? 0
                           : level,
              [&, is_node = level == 0](std::uint32_t member, std::size_t item) {
                is_node ? void(item_of_node[member] = item) : bundles.put(member, item);
              });
    y -= kLayerHeight;
  }
  for (VertexId v = 0; v < topology.vertices.size(); ++v) {
    if (topology.vertices[v].node >= 0) {
      bundles.put(v, item_of_node[topology.vertices[v].node]);
    }
  }
  bundles.add_edges(scene);
  return scene;
}

Scene node_scene(const Topology& topology) {
  // Rows from below: switches of scale-up links, devices, PCIe switches by distance from devices, adapters.
  constexpr int kDevices = 1;
  std::map<VertexId, int> row;
  std::map<VertexId, std::vector<std::pair<VertexId, LinkRole>>> joined;
  for (const TopologyLink& link : topology.links) {
    if (topology.vertices[link.a].node == 0 && topology.vertices[link.b].node == 0) {
      joined[link.a].emplace_back(link.b, link.role);
      joined[link.b].emplace_back(link.a, link.role);
    }
  }
  std::queue<VertexId> next;
  for (VertexId v = 0; v < topology.devices && topology.vertices[v].node == 0; ++v) {
    row[v] = kDevices;
    next.push(v);
  }
  for (; !next.empty(); next.pop()) {
    const VertexId from = next.front();
    for (const auto& [to, role] : joined[from]) {
      if (topology.vertices[to].kind == VertexKind::switch_ && !row.contains(to)) {
        row[to] = role == LinkRole::scale_up ? 0 : role == LinkRole::socket ? row[from] : row[from] + 1;
        next.push(to);
      }
    }
  }
  int top = kDevices;
  for (const auto& [vertex, at] : row) {
    top = std::max(top, at);
  }
  std::map<int, Layer> layers;
  for (VertexId v = 0; v < topology.vertices.size(); ++v) {
    const Vertex& vertex = topology.vertices[v];
    if (vertex.node != 0) {
      continue;
    }
    const bool adapter = vertex.kind == VertexKind::adapter;
    const int at = adapter ? top + 1 : row.contains(v) ? row[v] : 0;
    Layer& layer = layers[at];
    const auto in_socket = [](const auto& link) { return link.second == LinkRole::socket; };
    const char* one = adapter                                                      ? "adapter"
                      : at == kDevices                                             ? "device"
                      : at == 0                                                    ? "switch"
                      : std::any_of(joined[v].begin(), joined[v].end(), in_socket) ? "socket"
                                                                                   : "PCIe switch";
    layer.one = one;
    layer.many = layer.one + (layer.one.ends_with("h") ? "es" : "s");
    by_plane(layer, v, adapter ? vertex.plane : -1);
  }
  Scene scene;
  scene.width = kSceneWidth;
  scene.height = kLayersTop + kLayerHeight * static_cast<double>(layers.size() - 1) + 30;
  Bundles bundles(topology);
  double y = kLayersTop + kLayerHeight * static_cast<double>(layers.size() - 1);
  for (const auto& [at, layer] : layers) {
    add_layer(scene, layer, y, kMostInNode,
              at == kDevices ? 0
              : at == 0      ? 2
                             : 7,
              [&](VertexId vertex, std::size_t item) { bundles.put(vertex, item); });
    y -= kLayerHeight;
  }
  bundles.add_edges(scene);
  for (Scene::Edge& edge : scene.edges) {
    const Scene::Item &a = scene.items[edge.a], &b = scene.items[edge.b];
    edge.bend = a.y == b.y ? 20 + 0.12 * std::abs(a.x - b.x) : 0;
    scene.height = std::max(scene.height, a.y + 30 + edge.bend / 2);
  }
  return scene;
}

}  // namespace moesaic
