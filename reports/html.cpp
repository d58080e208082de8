#include "reports/html.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/error.hpp"

namespace moesaic {

std::string html_text(std::string_view text) {
  std::string result;
  for (const char c : printable(text, std::numeric_limits<std::size_t>::max())) {
    switch (c) {
      case '&':
        result += "&amp;";
        break;
      case '<':
        result += "&lt;";
        break;
      case '>':
        result += "&gt;";
        break;
      case '"':
        result += "&quot;";
        break;
      case '\'':
        result += "&#39;";
        break;
      default:
        result += c;
    }
  }
  return result;
}

std::string html_table(const HtmlTable& table) {
  const auto cell = [&table](const char* tag, std::size_t column, const std::string& markup) {
    return fmt::format("<{0}{1}>{2}</{0}>", tag, column >= table.first_number ? " class=\"number\"" : "", markup);
  };
  std::string result = "<div class=\"scroll\"><table>";
  if (!table.caption.empty()) {
    result += "<caption>" + html_text(table.caption) + "</caption>";
  }
  result += "\n<thead><tr>";
  for (std::size_t i = 0; i < table.heads.size(); ++i) {
    result += cell("th", i, html_text(table.heads[i]));
  }
  result += "</tr></thead>\n<tbody>\n";
  for (const auto& row : table.rows) {
    result += "<tr>";
    for (std::size_t i = 0; i < row.size(); ++i) {
      result += cell("td", i, row[i]);
    }
    result += "</tr>\n";
  }
  return result + "</tbody></table></div>\n";
}

std::string html_share(std::string_view text, double share) {
  const double percent = std::isfinite(share) ? 100 * std::clamp(share, 0.0, 1.0) : 0;
  return fmt::format("<span class=\"share\" style=\"--share:{:.1f}%\">{}</span>", percent, html_text(text));
}

std::string html_metric(std::string_view name, std::string_view value, std::string_view remark) {
  return fmt::format("<div class=\"metric\"><span>{}</span><strong>{}</strong><small>{}</small></div>\n",
                     html_text(name), html_text(value), html_text(remark));
}

std::string json_for_script(std::string json) {
  for (std::size_t at = 0; (at = json.find('<', at)) != std::string::npos;) {
    json.replace(at, 1, "\\u003c");
  }
  return json;
}

}  // namespace moesaic
