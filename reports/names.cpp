#include "reports/names.hpp"

#include <fmt/format.h>

#include <cmath>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "base/quantity_text.hpp"

namespace moesaic {
namespace {

std::vector<std::string> split(std::string_view path) {
  std::vector<std::string> parts(1);
  for (const char c : path) {
    if (c == '.') {
      parts.emplace_back();
    } else {
      parts.back() += c == '_' ? ' ' : c;
    }
  }
  return parts;
}

// Figures of a unit, after its name: "peak" (of all formats), "peak.bf16", "memory_bandwidth", "launch_latency".
std::string unit_figure(const std::string& unit, const std::vector<std::string>& parts, std::size_t at) {
  if (parts[at] == "peak" && parts.size() <= at + 2) {
    return unit + (parts.size() == at + 2 ? ' ' + parts[at + 1] : "") + " arithmetic";
  }
  return parts.size() == at + 1 ? unit + ' ' + parts[at] : "";
}

std::string machine_figure(const std::vector<std::string>& parts) {
  const std::size_t size = parts.size();
  if (parts[0] == "device" && size == 5 && parts[1] == "units" && (parts[3] == "link" || parts[3] == "memory")) {
    return parts[2] + (parts[3] == "link" ? " link " : "'s own memory ") + parts[4];
  }
  if (parts[0] == "device" && size >= 4 && parts[1] == "units") {
    return unit_figure(parts[2], parts, 3);
  }
  if (parts[0] == "host" && size >= 3 && (parts[1] == "cpu" || parts[1] == "units")) {
    return parts[1] == "cpu" ? unit_figure("cpu", parts, 2) : unit_figure(parts[2], parts, 3);
  }
  if (size == 3 && parts[0] == "device" && parts[1] == "scale up") {
    return "scale-up " + parts[2];
  }
  if (size == 3 && parts[0] == "device" && (parts[1] == "memory" || parts[1] == "host link")) {
    return parts[1] + ' ' + parts[2];
  }
  if (size == 3 && parts[0] == "host" && parts[1] == "memory") {
    return "host memory " + parts[2];
  }
  if (size == 3 && parts[0] == "host" && parts[1] == "storage") {
    return "drive " + parts[2];
  }
  return size == 2 && parts[0] == "network" ? "network " + parts[1] : "";
}

std::string grouped(double whole) {
  std::string digits = fmt::format("{:.0f}", whole);
  const std::size_t first = digits[0] == '-' ? 1 : 0;
  for (std::size_t at = digits.size(); at > first + 3;) {
    digits.insert(at -= 3, ",");
  }
  return digits;
}

}  // namespace

std::string resource_name(std::string_view path) {
  const std::string name = machine_figure(split(path));
  if (!name.empty()) {
    return printable(name);
  }
  return path == "step_tokens" ? "prefill step size" : printable(path);
}

std::string resource_label(std::string_view path) {
  const std::string name = resource_name(path);
  return name == path ? name : fmt::format("{} ({})", name, printable(path));
}

bool is_latency(std::string_view path) { return path.ends_with("latency"); }

std::string count_text(double value) {
  if (!std::isfinite(value)) {
    return "-";
  }
  const bool whole = value == std::floor(value) || std::abs(value) >= 1000;
  return whole ? grouped(value) : fmt::format("{:.3g}", value);
}

std::string integer_text(std::int64_t value) { return count_text(static_cast<double>(value)); }

std::string rate_text(PerSecond rate) {
  const double size = std::abs(rate.value);
  if (!std::isfinite(size)) {
    return "-";
  }
  return size >= 99.95   ? grouped(rate.value)
         : size >= 9.995 ? fmt::format("{:.1f}", rate.value)
                         : fmt::format("{:.3g}", rate.value);
}

std::string ratio_text(FlopsPerByte value) {
  const std::string text = std::isfinite(value.value) && value.value > 0 ? to_text(value) : "-";
  return text.substr(0, text.find(' '));
}

std::string percent_text(double fraction) {
  if (!std::isfinite(fraction)) {
    return "-";
  }
  return fmt::format("{:.1f}%", 100 * fraction + 0.0);
}

std::string signed_percent(double fraction) { return (fraction >= 0 ? "+" : "") + percent_text(fraction); }

}  // namespace moesaic
