// Files that every page carries: style sheet, scripts and the chart library, embedded when moesaic is built.
#pragma once

#include <string_view>

namespace moesaic {

std::string_view page_style();
std::string_view page_script();
std::string_view chart_library();  ///< Chart.js, MIT licence, its banner included

}  // namespace moesaic
