#include "reports/phase_text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "reports/names.hpp"
#include "reports/table.hpp"
#include "reports/terminal.hpp"

namespace moesaic {
namespace {

// The unit in which all times of one waterfall are written, so that they can be added up.
struct TimeScale {
  const char* unit;
  double seconds;
  int decimals;  // four significant digits of the whole

  explicit TimeScale(Seconds whole) {
    const double size = std::abs(whole.value);
    unit = size >= 1 ? "s" : size >= 1e-3 ? "ms" : "us";
    seconds = size >= 1 ? 1 : size >= 1e-3 ? 1e-3 : 1e-6;
    decimals = std::clamp(3 - static_cast<int>(std::floor(std::log10(std::max(size / seconds, 1e-9)))), 0, 6);
  }
  std::string text(Seconds value, bool sign) const {
    return fmt::format(fmt::runtime(sign ? "{:+.{}f}" : "{:.{}f}"), value.value / seconds + 0.0, decimals);
  }
};

}  // namespace

std::string waterfall_text(const NamedPhase& named, const TextStyle& style) {
  const PhasePrediction& phase = *named.phase;
  if (!(phase.seconds.value > 0)) {
    return "";
  }
  const TimeScale scale(phase.seconds);
  Table table({{"from limit to prediction"}, {scale.unit, Align::right}, {"share", Align::right}, {}, {"resource"}});
  const double whole = phase.seconds.value;
  table.add({"limit", scale.text(phase.limit.seconds, false), percent_text(phase.limit.seconds.value / whole),
             paint(bar(0, phase.limit.seconds.value / whole, kFullBar, style), Paint::limit, style),
             resource_name(phase.limit.resource)});
  double at = phase.limit.seconds.value;
  for (const WaterfallBar& step : shown_bars(phase)) {
    const double next = at + step.seconds.value;
    table.add({step.name, scale.text(step.seconds, true), percent_text(step.seconds.value / whole),
               paint(bar(std::min(at, next) / whole, std::max(at, next) / whole, kFullBar, style), Paint::gap, style),
               resource_name(step.resource)});
    at = next;
  }
  table.add({"prediction", scale.text(phase.seconds, false), percent_text(1), bar(0, 1, kFullBar, style), ""});
  return heading("Waterfall of " + named.title, style) + table.text(style);
}

}  // namespace moesaic
