#include "reports/flows.hpp"

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

constexpr std::size_t kMostLines = 40;

double rate(const FlowsReport& report, std::size_t flow) {
  const double seconds = report.times.end[flow] - report.start[flow] - report.latency[flow];
  return seconds > 0 ? report.flows[flow].bytes / seconds : 0;
}

}  // namespace

std::string flows_text(const FlowsReport& report, const TextStyle& style) {
  Table table({{"flow", Align::right},
               {"from", Align::right},
               {"to", Align::right},
               {"bytes", Align::right},
               {"start", Align::right},
               {"end", Align::right},
               {"rate", Align::right}});
  for (std::size_t i = 0; i < std::min(kMostLines, report.flows.size()); ++i) {
    const Demanded& flow = report.flows[i];
    table.add({std::to_string(i), std::to_string(flow.source), std::to_string(flow.destination),
               to_text(Bytes{flow.bytes}), to_text(Seconds{report.start[i]}), to_text(Seconds{report.times.end[i]}),
               to_text(BytesPerSecond{rate(report, i)})});
  }
  std::string text =
      heading(fmt::format("{} flows on {}, by {}: {}", count_text(static_cast<double>(report.flows.size())),
                          printable(report.where), report.model, to_text(report.times.total)),
              style)
          .substr(1) +
      table.text(style);
  if (report.flows.size() > kMostLines) {
    text += fmt::format("  and {} more; --format json has all\n", report.flows.size() - kMostLines);
  }
  return text + fmt::format("  The busiest link alone takes {} for all their bytes.\n", to_text(report.bound));
}

std::string flows_json(const FlowsReport& report) {
  Json flows = Json::array();
  for (std::size_t i = 0; i < report.flows.size(); ++i) {
    flows.push_back({{"source", report.flows[i].source},
                     {"destination", report.flows[i].destination},
                     {"bytes", report.flows[i].bytes},
                     {"start_s", report.start[i]},
                     {"latency_s", report.latency[i]},
                     {"end_s", report.times.end[i]},
                     {"rate_bytes_per_s", rate(report, i)}});
  }
  const Json json = {{"version", "1"},
                     {"where", report.where},
                     {"model", report.model},
                     {"seconds", report.times.total.value},
                     {"bound_s", report.bound.value},
                     {"events", report.times.events},
                     {"flows", flows}};
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace moesaic
