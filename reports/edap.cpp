#include "reports/edap.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "base/quantity_text.hpp"
#include "reports/names.hpp"
#include "reports/table.hpp"

namespace moesaic {
namespace {

using Json = nlohmann::ordered_json;

constexpr double kSquareMillimetres = 1e6;  // of a square metre

Table products(const EdapReport& report) {
  std::vector<Column> columns{{"FLOP/B", Align::right}};
  for (const EdapReport::Curve& curve : report.curves) {
    columns.push_back({curve.name, Align::right});
  }
  columns.push_back({"best"});
  Table table(columns);
  for (std::size_t i = 0; i < report.intensities.size(); ++i) {
    std::vector<std::string> cells{count_text(report.intensities[i].value)};
    for (std::size_t curve = 0; curve < report.curves.size(); ++curve) {
      cells.push_back(fmt::format("{:.2f}", report.relative(curve, i)));
    }
    cells.push_back(report.curves[report.best(i)].name);
    table.add(std::move(cells));
  }
  return table;
}

Table units(const EdapReport& report) {
  Table table({{"unit"},
               {"bandwidth", Align::right},
               {"arithmetic", Align::right},
               {"energy per bit", Align::right},
               {"per FLOP", Align::right},
               {"area added", Align::right},
               {"area counted", Align::right}});
  for (const EdapReport::Curve& curve : report.curves) {
    const Unit& unit = curve.unit;
    table.add({curve.name, to_text(unit.memory_bandwidth),
               to_text(unit.peak[static_cast<std::size_t>(unit.arithmetic(DType::fp16))]),
               fmt::format("{:.2f} pJ", unit.energy->memory.value * 1e12 / 8),
               fmt::format("{:.2f} pJ", unit.energy->arithmetic.value * 1e12), to_text(unit.area.total()),
               to_text(curve.points.front().area)});
  }
  return table;
}

Json areas_json(const DieAreas& areas) {
  Json json = Json::object();
  const auto add = [&](const char* die, Area area) {
    if (area > Area{}) {
      json[die] = area.value * kSquareMillimetres;
    }
  };
  add("processor", areas.processor);
  add("buffer", areas.buffer);
  add("dram", areas.dram);
  return json;
}

}  // namespace

double EdapReport::relative(std::size_t curve, std::size_t intensity) const {
  double worst = 0;
  for (const Curve& each : curves) {
    worst = std::max(worst, each.points[intensity].product());
  }
  return curves[curve].points[intensity].product() / worst;
}

std::size_t EdapReport::best(std::size_t intensity) const {
  const auto least = std::min_element(curves.begin(), curves.end(), [&](const Curve& a, const Curve& b) {
    return a.points[intensity].product() < b.points[intensity].product();
  });
  return static_cast<std::size_t>(least - curves.begin());
}

EdapReport report_edap(const std::vector<Machine>& machines, const std::vector<FlopsPerByte>& intensities,
                       CountedArea counted) {
  EdapReport report{counted, intensities, {}};
  for (const Machine& machine : machines) {
    const Device& device = machine.device;
    const auto has_area = [](const Unit& unit) { return unit.area.known(); };
    const auto with_area = std::count_if(device.units.begin(), device.units.end(), has_area);
    if (with_area == 0) {
      throw UserError(
          fmt::format("--machine: no unit of '{}' says its area (\"units.NAME.area\"; a device that does: "
                      "duplex)",
                      printable(machine.name)));
    }
    for (const Unit& unit : device.units) {
      if (!unit.area.known()) {
        continue;
      }
      const Memory& memory = unit.memory ? *unit.memory : device.memory;
      if (const std::string_view missing = missing_for_edap(unit, memory, counted); !missing.empty()) {
        throw UserError(fmt::format(
            "--machine: '{}' says the area of its unit '{}', but not {}", printable(machine.name), printable(unit.name),
            missing == "energy" ? "its \"energy\""
                                : "that of its memory (\"memory.area\"; --area unit counts what "
                                  "units add alone)"));
      }
      EdapReport::Curve curve{
          with_area > 1 ? machine.name + " " + unit.name : machine.name, machine.name, unit, memory, {}};
      for (const FlopsPerByte intensity : intensities) {
        curve.points.push_back(edap(unit, memory, intensity, counted));
      }
      report.curves.push_back(std::move(curve));
    }
  }
  return report;
}

std::string edap_text(const EdapReport& report, const TextStyle& style) {
  return fmt::format("  energy x delay x area of one byte, the worst of each line is 1; area of {}\n\n",
                     report.counted == CountedArea::memory ? "the memory's dies with the units" : "the units") +
         products(report).text(style) + "\n" + units(report).text(style);
}

std::string edap_json(const EdapReport& report) {
  Json curves = Json::array();
  for (std::size_t place = 0; place < report.curves.size(); ++place) {
    const EdapReport::Curve& curve = report.curves[place];
    Json points = Json::array();
    for (std::size_t i = 0; i < report.intensities.size(); ++i) {
      points.push_back({{"flops_per_byte", report.intensities[i].value},
                        {"joules_per_byte", curve.points[i].energy.value},
                        {"seconds_per_byte", curve.points[i].delay.value},
                        {"product", curve.points[i].product()},
                        {"relative", report.relative(place, i)},
                        {"best", report.best(i) == place}});
    }
    curves.push_back({{"machine", curve.machine},
                      {"unit", curve.unit.name},
                      {"unit_mm2", areas_json(curve.unit.area)},
                      {"memory_mm2", areas_json(curve.memory.area)},
                      {"counted_mm2", curve.points.front().area.value * kSquareMillimetres},
                      {"points", points}});
  }
  const Json json = {{"version", "1"}, {"area", to_text(report.counted)}, {"units", curves}};
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace moesaic
