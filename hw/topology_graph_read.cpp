#include "hw/topology_graph_read.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>

#include "base/nearest.hpp"

namespace moesaic {
namespace {

constexpr std::int64_t kMostListed = 1 << 20;

template <class Value, std::size_t N>
Value one_of(const Config& config, const std::pair<const char*, Value> (&values)[N]) {
  const std::string text = config.string();
  std::vector<std::string> names;
  for (const auto& [name, value] : values) {
    if (text == name) {
      return value;
    }
    names.emplace_back(name);
  }
  config.fail(fmt::format("unknown {} '{}'{}", config.path().substr(config.path().rfind('.') + 1), printable(text),
                          suggest(text, names)));
}

VertexKind read_kind(const Config& config) {
  static constexpr std::pair<const char*, VertexKind> kKinds[] = {
      {"device", VertexKind::device}, {"adapter", VertexKind::adapter}, {"switch", VertexKind::switch_}};
  return one_of(config, kKinds);
}

LinkRole read_role(const Config& config) {
  static constexpr std::pair<const char*, LinkRole> kRoles[] = {
      {"scale-up", LinkRole::scale_up}, {"pcie", LinkRole::pcie},   {"socket", LinkRole::socket},
      {"endpoint", LinkRole::endpoint}, {"local", LinkRole::local}, {"global", LinkRole::global}};
  return one_of(config, kRoles);
}

int number_or(const Config& owner, std::string_view key, int fallback, std::int64_t most) {
  const std::int64_t value = owner.non_negative_or(key, fallback);
  if (value > most) {
    owner.at(key).fail(fmt::format("must be at most {}, found {}", most, value));
  }
  return static_cast<int>(owner.has(key) ? value : fallback);
}

ListedVertex read_vertex(const Config& config) {
  ListedVertex vertex;
  vertex.name = config.at("name").string();
  vertex.kind = read_kind(config.at("kind"));
  if (vertex.kind != VertexKind::switch_ && !config.has("node")) {
    config.fail(
        fmt::format("'{}' is no switch, so it is in a node: needs \"node\", a number from 0", printable(vertex.name)));
  }
  vertex.node = config.has("node") ? number_or(config, "node", 0, kMostListed) : -1;
  vertex.plane = config.has("plane") ? number_or(config, "plane", 0, kMostListed) : -1;
  if (vertex.kind == VertexKind::switch_ && vertex.node < 0) {
    vertex.level = number_or(config, "level", 1, 255);
  }
  return vertex;
}

// Traffic for another plane is forwarded by the adapter there, so either no adapter has a plane or all have.
void check_planes(const std::vector<Config>& configs, const std::vector<ListedVertex>& vertices) {
  const auto adapter = [](bool with_plane) {
    return [with_plane](const ListedVertex& vertex) {
      return vertex.kind == VertexKind::adapter && (vertex.plane >= 0) == with_plane;
    };
  };
  const auto with = std::find_if(vertices.begin(), vertices.end(), adapter(true));
  const auto without = std::find_if(vertices.begin(), vertices.end(), adapter(false));
  if (with != vertices.end() && without != vertices.end()) {
    configs[static_cast<std::size_t>(without - vertices.begin())].fail(
        fmt::format("adapter '{}' has no plane, but '{}' has: needs \"plane\", a number from 0",
                    printable(without->name), printable(with->name)));
  }
}

class Names {
 public:
  void add(const Config& config, const std::string& name) {
    if (!places_.emplace(name, places_.size()).second) {
      config.at("name").fail(fmt::format("there is already a vertex '{}'", printable(name)));
    }
  }
  std::size_t find(const Config& config) const {
    const std::string name = config.string();
    if (const auto place = places_.find(name); place != places_.end()) {
      return place->second;
    }
    std::vector<std::string> names;
    for (const auto& [known, place] : places_) {
      names.push_back(known);
    }
    config.fail(fmt::format("unknown vertex '{}'{}", printable(name), suggest(name, names)));
  }

 private:
  std::map<std::string, std::size_t> places_;
};

LinkRole usual_role(const ListedVertex& a, const ListedVertex& b) {
  const bool network = a.node < 0 && b.node < 0;
  return network ? LinkRole::local : a.node < 0 || b.node < 0 ? LinkRole::endpoint : LinkRole::pcie;
}

}  // namespace

void read_listed_graph(const Config& config, FabricDescription& fabric) {
  Names names;
  const std::vector<Config> vertices = config.at("vertices").elements();
  for (const Config& vertex : vertices) {
    fabric.vertices.push_back(read_vertex(vertex));
    names.add(vertex, fabric.vertices.back().name);
  }
  check_planes(vertices, fabric.vertices);
  for (const Config& entry : config.at("links").elements()) {
    ListedLink link;
    link.a = names.find(entry.at("from"));
    link.b = names.find(entry.at("to"));
    if (link.a == link.b) {
      entry.fail(fmt::format("joins '{}' to itself", printable(fabric.vertices[link.a].name)));
    }
    const ListedVertex &a = fabric.vertices[link.a], &b = fabric.vertices[link.b];
    if (a.node >= 0 && b.node >= 0 && a.node != b.node) {
      entry.fail(
          fmt::format("joins nodes {} and {} directly; put a switch of the network between them", a.node, b.node));
    }
    link.role = entry.has("role") ? read_role(entry.at("role")) : usual_role(a, b);
    link.link.bandwidth = {};
    link.link = read_topology_link(entry);
    fabric.links.push_back(std::move(link));
  }
}

}  // namespace moesaic
