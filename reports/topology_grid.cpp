// A torus of two dimensions as a grid, of three in parallel projection. Links that go round are stubs at the rims.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <tuple>

#include "reports/topology_scene.hpp"

namespace moesaic {
namespace {

constexpr double kGridMargin = 60, kMostHeight = 900;

struct Axis {
  int size = 1;
  double dx = 0, dy = 0;  // of one step
};

// Whether a link joins the first and the last router of a row of more than two, counted with the last side fastest.
bool goes_round(const std::vector<int>& dimensions, std::size_t a, std::size_t b) {
  for (std::size_t i = dimensions.size(); i-- > 0;) {
    const auto size = static_cast<std::size_t>(dimensions[i]);
    if (a % size != b % size) {
      return size > 2 && std::max(a % size, b % size) - std::min(a % size, b % size) == size - 1;
    }
    a /= size;
    b /= size;
  }
  return false;
}

}  // namespace

Scene grid_scene(const Topology& topology, const std::vector<int>& dimensions) {
  std::vector<Axis> axes;
  axes.reserve(dimensions.size());
  for (const int size : dimensions) {
    axes.push_back({size});
  }
  // Sides of one router are points; the last two or three of the others are drawn to the right, down and to the back.
  const std::array<std::pair<double, double>, 3> directions = {{{1, 0}, {0, 1}, {0.42, -0.36}}};
  std::size_t used = 0;
  double across = 0, down = 0, back = 0;
  for (std::size_t i = axes.size(); i-- > 0;) {
    Axis& axis = axes[i];
    if (axis.size > 1) {
      std::tie(axis.dx, axis.dy) = directions[used++];
      across += (axis.size - 1) * axis.dx;
      down += (axis.size - 1) * std::max(0.0, axis.dy);
      back += (axis.size - 1) * std::max(0.0, -axis.dy);
    }
  }
  const double step =
      std::min((kSceneWidth - 2 * kGridMargin) / across, (kMostHeight - 2 * kGridMargin) / (down + back));
  const double unit = std::min(step, 120.0);
  Scene scene;
  scene.width = kSceneWidth;
  scene.height = 2 * kGridMargin + unit * (down + back);
  scene.dot = std::clamp(unit / 7, 3.0, 9.0);
  Bundles bundles(topology);
  std::vector<int> place(axes.size());
  for (VertexId v = 0; v < topology.vertices.size(); ++v) {
    if (topology.vertices[v].node >= 0 || topology.vertices[v].kind != VertexKind::switch_) {
      continue;
    }
    double x = (kSceneWidth - unit * across) / 2, y = kGridMargin + unit * back;
    std::string name;
    for (std::size_t i = 0; i < axes.size(); ++i) {
      x += unit * place[i] * axes[i].dx;
      y += unit * place[i] * axes[i].dy;
      name += (i > 0 ? ", " : "") + std::to_string(place[i]);
      const bool first = place[i] == 0, last = place[i] == axes[i].size - 1;
      if (axes[i].size > 2 && (first || last)) {
        const double length = (first ? -1 : 1) * std::min(0.45 * unit, 28.0) / std::hypot(axes[i].dx, axes[i].dy);
        scene.stubs.push_back({scene.items.size(), length * axes[i].dx, length * axes[i].dy});
      }
    }
    bundles.put(v, scene.items.size());
    scene.items.push_back({x, y, 0, 0, 0, "", "router (" + name + ")"});
    for (std::size_t i = axes.size(); i-- > 0 && ++place[i] == axes[i].size;) {
      place[i] = 0;
    }
  }
  bundles.add_edges(scene);
  std::erase_if(scene.edges, [&](const Scene::Edge& edge) { return goes_round(dimensions, edge.a, edge.b); });
  std::string text;
  for (const int size : dimensions) {
    text += (text.empty() ? "" : " x ") + std::to_string(size);
  }
  scene.labels.push_back({8, 24, text + " routers; lines that leave the rim come in at the other side"});
  return scene;
}

}  // namespace moesaic
