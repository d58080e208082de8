#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/quantity_text.hpp"
#include "reports/html.hpp"
#include "reports/names.hpp"
#include "reports/page_parts.hpp"
#include "reports/search.hpp"

namespace moesaic {
namespace {

using Json = nlohmann::ordered_json;

Json points(const std::vector<SearchRow>& rows) {
  Json json = Json::array();
  for (const SearchRow& row : rows) {
    json.push_back({{"pace", row.figures.pace.value},
                    {"throughput", row.figures.throughput.value},
                    {"name", row.mapping + ", " + row.setting}});
  }
  return json;
}

std::string table(const SearchReport& report, const std::string& caption, const std::vector<SearchRow>& rows) {
  HtmlTable table{
      caption,
      {"mapping", "setting", "copies", pace_name(report), "TTFT", "tokens/s/device", "memory", "most of it"},
      {},
      2};
  for (const SearchRow& row : rows) {
    table.rows.push_back({"<code>" + html_text(row.mapping) + "</code>", html_text(row.setting),
                          std::to_string(row.copies), html_text(to_text(row.figures.pace)),
                          report.training ? "-" : html_text(to_text(row.figures.first)),
                          html_text(rate_text(row.figures.throughput)),
                          html_text(percent_text(row.memory / row.capacity)), html_text(largest_cost(row))});
  }
  return html_table(table);
}

}  // namespace

std::string search_page(const SearchReport& report, const std::string& command) {
  std::string main = "<section class=\"single\">\n";
  main += fmt::format("<p>{}; costs: {}. {}.</p>\n", html_text(report.load), html_text(report.cost_model),
                      html_text(counts_sentence(report)));
  if (report.stopped) {
    main += "<p class=\"verdict fails\">Stopped before all mappings were looked at.</p>\n";
  }
  if (!report.front.empty()) {
    const SearchRow& first = report.best.front();
    main += figure_html(
        {.kind = "front",
         .phase = "",
         .title = "Throughput against " + pace_name(report),
         .finding = fmt::format("Best: {} at {}, {} tokens/s/device.", first.mapping, first.setting,
                                rate_text(first.figures.throughput)),
         .reading =
             "Up is more tokens for the same devices, left is faster for each user. Each mark on the stairs is a "
             "mapping "
             "with its setting that no other beats in both; what is under the stairs is beaten. Diamonds are the best "
             "mappings of the table.",
         .wide = true,
         .height = 460,
         .table = ""},
        "0");
  }
  if (const std::string why = why_lost(report); !why.empty()) {
    main += "<p class=\"note\">" + html_text(why) + "</p>\n";
  }
  main += table(report, "Best mappings", report.best);
  main += table(report, "The front", report.front);
  const Json data = Json::array({{{"front", points(report.front)},
                                  {"best", points(report.best)},
                                  {"pace", report.training ? "time of a step" : "time of an output token (TPOT)"},
                                  {"goal", report.goal.most_pace ? Json(report.goal.most_pace->value) : Json()}}});
  return page_document(
      {.title = fmt::format("Mappings of {} on {} devices of {}", report.model, report.devices, report.machine),
       .command = command,
       .navigation = "",
       .main = main + "</section>\n",
       .footer = "Throughput is of one device, prefill included. Memory is of the fullest device, of two memories the "
                 "fuller one.",
       .data = data.dump(-1, ' ', false, Json::error_handler_t::replace)});
}

}  // namespace moesaic
