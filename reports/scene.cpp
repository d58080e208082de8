#include "reports/scene.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "reports/html.hpp"

namespace moesaic {
namespace {

// Many lines are drawn faintly, so that where they are dense can be seen.
double opacity(std::size_t edges) {
  return std::clamp(16 / std::sqrt(static_cast<double>(std::max<std::size_t>(edges, 1))), 0.15, 0.85);
}

std::string edge_path(const Scene& scene, const Scene::Edge& edge) {
  const Scene::Item &a = scene.items[edge.a], &b = scene.items[edge.b];
  const bool down = a.y < b.y;  // boxes are left and entered at their edges
  const double from = a.y + (a.y == b.y ? a.height / 2 : (down ? 1 : -1) * a.height / 2);
  const double to = b.y + (a.y == b.y ? b.height / 2 : (down ? -1 : 1) * b.height / 2);
  if (edge.bend == 0) {
    return fmt::format("M{:.0f} {:.0f}L{:.0f} {:.0f}", a.x, from, b.x, to);
  }
  return fmt::format("M{:.0f} {:.0f}Q{:.0f} {:.0f} {:.0f} {:.0f}", a.x, from, (a.x + b.x) / 2,
                     (from + to) / 2 + edge.bend, b.x, to);
}

}  // namespace

std::string scene_svg(const Scene& scene, const std::string& name) {
  std::string svg = fmt::format("<svg class=\"scene\" viewBox=\"0 0 {:.0f} {:.0f}\" role=\"img\" aria-label=\"{}\">\n",
                                scene.width, scene.height, html_text(name));
  svg += fmt::format("<g class=\"edges\" opacity=\"{:.2f}\">\n", opacity(scene.edges.size() + scene.stubs.size()));
  double fewest = std::numeric_limits<double>::infinity();
  for (const Scene::Edge& edge : scene.edges) {
    fewest = std::min(fewest, edge.links);
  }
  for (const Scene::Edge& edge : scene.edges) {
    svg += fmt::format("<path class=\"c{}\" d=\"{}\"", edge.colour, edge_path(scene, edge));
    if (edge.links > 1.5 * fewest) {
      svg += fmt::format(" stroke-width=\"{:.1f}\"", std::min(4.0, 1 + 0.5 * std::log2(edge.links / fewest)));
    }
    svg += "/>\n";
  }
  for (const Scene::Stub& stub : scene.stubs) {
    const Scene::Item& item = scene.items[stub.item];
    svg +=
        fmt::format("<path class=\"c7 stub\" d=\"M{:.0f} {:.0f}l{:.0f} {:.0f}\"/>\n", item.x, item.y, stub.dx, stub.dy);
  }
  svg += "</g>\n";
  for (const Scene::Item& item : scene.items) {
    svg += item.width > 0 ? fmt::format(
                                "<g class=\"c{}\"><rect x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" "
                                "height=\"{:.1f}\" rx=\"4\"/>",
                                item.colour, item.x - item.width / 2, item.y - item.height / 2, item.width, item.height)
                          : fmt::format("<g class=\"c{}\"><circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"{:.1f}\"/>",
                                        item.colour, item.x, item.y, scene.dot);
    if (!item.label.empty()) {
      svg += fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\">{}</text>", item.x, item.y + 4, html_text(item.label));
    }
    svg += fmt::format("<title>{}</title></g>\n", html_text(item.title));
  }
  for (const Scene::Label& label : scene.labels) {
    svg += fmt::format("<text class=\"label{}\" x=\"{:.0f}\" y=\"{:.0f}\">{}</text>\n", label.middle ? " middle" : "",
                       label.x, label.y, html_text(label.text));
  }
  return svg + "</svg>\n";
}

}  // namespace moesaic
