// Building blocks of HTML. Every function that takes text escapes it; `markup` is taken as it is.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace moesaic {

/// Text with & < > " ' escaped; control characters and invalid UTF-8 made visible.
std::string html_text(std::string_view text);

/// A table. `heads` are text; cells are markup. Columns from `first_number` on are right-aligned.
struct HtmlTable {
  std::string caption;
  std::vector<std::string> heads;
  std::vector<std::vector<std::string>> rows;
  std::size_t first_number = 1;
};
std::string html_table(const HtmlTable& table);

/// A cell with a number over a bar of a share (0..1) of the cell.
std::string html_share(std::string_view text, double share);

/// One figure of the row of large ones at the head of a page.
std::string html_metric(std::string_view name, std::string_view value, std::string_view remark);

/// JSON inside a script element: no '<' is left, so that no text can end the element.
std::string json_for_script(std::string json);

}  // namespace moesaic
