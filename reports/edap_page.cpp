#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/quantity_text.hpp"
#include "reports/edap.hpp"
#include "reports/html.hpp"
#include "reports/names.hpp"
#include "reports/page_parts.hpp"
#include "reports/scene.hpp"

namespace moesaic {
namespace {

constexpr double kWidth = 1000, kHeight = 460, kLeft = 60, kRight = 20, kTop = 20, kBottom = 70;
constexpr double kLegendEntry = 200;
constexpr std::size_t kColours = 7;  // the eighth is that of lines between things

double place(double value, double least, double most, double from, double to) {
  const double share = most > least ? std::log(value / least) / std::log(most / least) : 0.5;
  return from + share * (to - from);
}

/// Both axes in logarithms; up is worse.
Scene curves(const EdapReport& report) {
  Scene scene;
  scene.width = kWidth;
  scene.height = kHeight;
  scene.dot = 6;
  double least = 1;
  for (std::size_t curve = 0; curve < report.curves.size(); ++curve) {
    for (std::size_t i = 0; i < report.intensities.size(); ++i) {
      least = std::min(least, report.relative(curve, i));
    }
  }
  const double lowest = std::min_element(report.intensities.begin(), report.intensities.end())->value;
  const double highest = std::max_element(report.intensities.begin(), report.intensities.end())->value;
  const auto x_of = [&](FlopsPerByte intensity) {
    return place(intensity.value, lowest, highest, kLeft + 20, kWidth - kRight);
  };
  const auto y_of = [&](double value) { return place(value, least, 1, kHeight - kBottom - 10, kTop); };
  for (const FlopsPerByte intensity : report.intensities) {
    scene.labels.push_back({x_of(intensity), kHeight - kBottom + 18, count_text(intensity.value), true});
  }
  scene.labels.push_back({kWidth / 2, kHeight - kBottom + 38, "FLOP per byte", true});
  for (const double tick : {1.0, least}) {
    scene.labels.push_back({4, y_of(tick) + 4, fmt::format("{:.2f}", tick)});
  }
  for (std::size_t curve = 0; curve < report.curves.size(); ++curve) {
    const int colour = static_cast<int>(curve % kColours);
    const std::size_t first = scene.items.size();
    for (std::size_t i = 0; i < report.intensities.size(); ++i) {
      const double value = report.relative(curve, i);
      scene.items.push_back({.x = x_of(report.intensities[i]),
                             .y = y_of(value),
                             .width = 0,
                             .height = 0,
                             .colour = colour,
                             .label = "",
                             .title = fmt::format("{} at {}: {:.2f} of the worst", report.curves[curve].name,
                                                  to_text(report.intensities[i]), value)});
      if (i > 0) {
        scene.edges.push_back({.a = first + i - 1, .b = first + i, .links = 1, .colour = colour});
      }
    }
    const double x = kLeft + static_cast<double>(curve) * kLegendEntry;
    scene.items.push_back({.x = x,
                           .y = kHeight - 12,
                           .width = 14,
                           .height = 14,
                           .colour = colour,
                           .label = "",
                           .title = report.curves[curve].name});
    scene.labels.push_back({x + 14, kHeight - 8, report.curves[curve].name});
    scene.width = std::max(scene.width, x + kLegendEntry);
  }
  return scene;
}

std::string points_table(const EdapReport& report) {
  HtmlTable table{.caption = "Of one byte",
                  .heads = {"unit", "FLOP/B", "energy", "delay", "area", "EDAP over the worst"},
                  .rows = {},
                  .first_number = 1};
  for (std::size_t curve = 0; curve < report.curves.size(); ++curve) {
    for (std::size_t i = 0; i < report.intensities.size(); ++i) {
      const Edap& point = report.curves[curve].points[i];
      const double relative = report.relative(curve, i);
      table.rows.push_back({html_text(report.curves[curve].name), html_text(count_text(report.intensities[i].value)),
                            html_text(to_text(point.energy)),
                            html_text(fmt::format("{:.3g} fs", point.delay.value * 1e15)),
                            html_text(to_text(point.area)), html_share(fmt::format("{:.2f}", relative), relative)});
    }
  }
  return html_table(table);
}

}  // namespace

std::string edap_page(const EdapReport& report, const std::string& command) {
  std::string main = "<section class=\"single\">\n<div class=\"figures\">\n";
  main += fmt::format(
      "<figure class=\"wide\"><figcaption><h3>Energy x delay x area over arithmetic intensity</h3><p "
      "class=\"reading\">The worst unit at each intensity is 1; lower is better; both axes are logarithmic. Point at a "
      "dot for its number.</p></figcaption>\n{}</figure>\n</div>\n",
      scene_svg(curves(report), "Energy x delay x area over arithmetic intensity"));
  return page_document({.title = "EDAP of units near memory",
                        .command = command,
                        .navigation = "",
                        .main = main + points_table(report) + "</section>\n",
                        .footer = "At peak rates, in 16-bit floating point. The area is that of " +
                                  std::string(report.counted == CountedArea::memory
                                                  ? "the memory's dies with what the unit adds to them."
                                                  : "what the unit adds."),
                        .data = "[]"});
}

}  // namespace moesaic
