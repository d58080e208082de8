// A picture of boxes and dots joined by lines, as SVG in the colours of the page.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace moesaic {

struct Scene {
  struct Item {
    double x = 0, y = 0;           ///< its centre
    double width = 0, height = 0;  ///< of a box; zero: a dot
    int colour = 0;                ///< of the series, 0 to 7
    std::string label;             ///< inside a box
    std::string title;             ///< shown when pointed at
  };
  struct Edge {
    std::size_t a = 0, b = 0;  ///< places of items
    double links = 1;          ///< those with more than others are drawn stronger
    int colour = 7;
    double bend = 0;  ///< how far the middle of the line is moved down
  };
  /// A line that leaves an item and ends nowhere: it comes in at the other side.
  struct Stub {
    std::size_t item = 0;
    double dx = 0, dy = 0;
  };
  struct Label {
    double x = 0, y = 0;
    std::string text;
    bool middle = false;  ///< centred on x, else it begins there
  };

  double width = 0, height = 0;
  double dot = 5;  ///< radius
  std::vector<Item> items;
  std::vector<Edge> edges;
  std::vector<Stub> stubs;
  std::vector<Label> labels;
};

/// `name`: what the picture shows, for those who cannot see it.
std::string scene_svg(const Scene& scene, const std::string& name);

}  // namespace moesaic
