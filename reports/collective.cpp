#include "reports/collective.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "base/quantity_text.hpp"
#include "reports/table.hpp"

namespace moesaic {
namespace {

using Json = nlohmann::ordered_json;

double bandwidth(const CollectiveReport& report) {
  const double seconds = report.time.total().value;
  return seconds > 0 ? report.message.value / seconds : 0;
}

}  // namespace

std::string collective_text(const CollectiveReport& report, const TextStyle& style) {
  const FabricTime& time = report.time;
  Table facts({{""}, {""}});
  facts.add({"machine", printable(report.machine)});
  facts.add({"ranks", fmt::format("{} in {} node{}{}", report.ranks, report.nodes, report.nodes == 1 ? "" : "s",
                                  report.groups > 1 ? fmt::format(", {} such groups at once", report.groups) : "")});
  facts.add({"algorithm", time.algorithm});
  facts.add({"time", to_text(time.total())});
  facts.add({"of it latency", to_text(time.latency)});
  facts.add({"algorithm bandwidth", to_text(BytesPerSecond{bandwidth(report)})});
  facts.add({"bus bandwidth", to_text(BytesPerSecond{bandwidth(report) * report.bus_factor})});
  facts.add(
      {"one rank sends", fmt::format("{} in its node, {} out of it", to_text(time.scale_up), to_text(time.network))});
  if (time.flows > 0) {
    facts.add({"flows", fmt::format("{}; the busiest link alone takes {}", time.flows, to_text(time.bound))});
  }
  std::string text = heading(fmt::format("{}, by {}", report.what, report.model), style).substr(1) + facts.text(style);
  if (report.others.size() > 1) {
    Table table({{"algorithm"},
                 {"time", Align::right},
                 {"latency", Align::right},
                 {"in the node", Align::right},
                 {"out of it", Align::right}});
    for (const FabricTime& other : report.others) {
      table.add({other.algorithm, to_text(other.total()), to_text(other.latency), to_text(other.scale_up),
                 to_text(other.network)});
    }
    text += heading("Closed forms", style) + table.text(style);
  }
  return text;
}

std::string collective_json(const CollectiveReport& report) {
  const FabricTime& time = report.time;
  Json algorithms = Json::object();
  for (const FabricTime& other : report.others) {
    algorithms[other.algorithm] = {{"seconds", other.total().value},
                                   {"latency_s", other.latency.value},
                                   {"scale_up_bytes", other.scale_up.value},
                                   {"network_bytes", other.network.value}};
  }
  const Json json = {{"version", "1"},
                     {"machine", report.machine},
                     {"what", report.what},
                     {"ranks", report.ranks},
                     {"nodes", report.nodes},
                     {"groups", report.groups},
                     {"model", report.model},
                     {"algorithm", time.algorithm},
                     {"seconds", time.total().value},
                     {"latency_s", time.latency.value},
                     {"busy_s", time.busy.value},
                     {"bound_s", time.bound.value},
                     {"message_bytes", report.message.value},
                     {"scale_up_bytes", time.scale_up.value},
                     {"network_bytes", time.network.value},
                     {"bandwidth_bytes_per_s", bandwidth(report)},
                     {"bus_bandwidth_bytes_per_s", bandwidth(report) * report.bus_factor},
                     {"flows", time.flows},
                     {"events", time.events},
                     {"algorithms", algorithms}};
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace moesaic
