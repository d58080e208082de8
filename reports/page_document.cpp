// The frame of every page: one file with its style, scripts, chart library and data.
#include <fmt/format.h>

#include "reports/assets.hpp"
#include "reports/html.hpp"
#include "reports/page_parts.hpp"

namespace moesaic {
namespace {

// Nothing may be fetched: the policy makes the browser refuse what a mistake would ask for.
constexpr const char* kHead = R"(<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<link rel="icon" href="data:,">
)";

}  // namespace

std::string page_document(const PageDocument& document) {
  const std::string title = html_text(document.title);
  std::string page = kHead;
  page += fmt::format("<title>{} - moesaic</title>\n<style>\n{}</style>\n</head>\n<body>\n", title, page_style());
  page += fmt::format("<header class=\"top\">\n<p class=\"brand\">moesaic</p>\n<h1>{}</h1>\n", title);
  if (!document.command.empty()) {
    page += fmt::format("<p class=\"command\"><span>Made by</span> <code>{}</code></p>\n", html_text(document.command));
  }
  page += document.navigation + "</header>\n<main>\n" + document.main + "</main>\n";
  page += fmt::format("<footer>{} Charts: Chart.js, MIT licence.</footer>\n", html_text(document.footer));
  page += "<noscript><p>The charts of this page need JavaScript; the tables do not.</p></noscript>\n";
  page += fmt::format("<script type=\"application/json\" id=\"data\">{}</script>\n", json_for_script(document.data));
  page += fmt::format("<script>{}</script>\n<script>{}</script>\n", chart_library(), page_script());
  return page + "</body>\n</html>\n";
}

}  // namespace moesaic
