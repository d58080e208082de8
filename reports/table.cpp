#include "reports/table.hpp"

#include <algorithm>
#include <numeric>
#include <utility>

#include "base/error.hpp"
#include "reports/terminal.hpp"

namespace moesaic {
namespace {

constexpr std::size_t kIndent = 2;
constexpr std::size_t kGap = 2;

std::string line(const std::vector<std::string>& cells, const std::vector<Column>& columns,
                 const std::vector<std::size_t>& widths) {
  std::string result;
  for (std::size_t i = 0; i < columns.size(); ++i) {
    const std::string padding(widths[i] - display_width(cells[i]), ' ');
    result.append(i == 0 ? kIndent : kGap, ' ');
    result += columns[i].align == Align::left ? cells[i] + padding : padding + cells[i];
  }
  result.erase(result.find_last_not_of(' ') + 1);
  return result + '\n';
}

}  // namespace

void Table::add(std::vector<std::string> cells) {
  MOESAIC_ASSERT(cells.size() <= columns_.size());
  cells.resize(columns_.size());
  rows_.push_back(std::move(cells));
}

std::vector<std::size_t> Table::widths() const {
  std::vector<std::size_t> result;
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    std::size_t width = display_width(columns_[i].head);
    for (const auto& row : rows_) {
      width = std::max(width, display_width(row[i]));
    }
    result.push_back(width);
  }
  return result;
}

std::size_t Table::width() const {
  const auto columns = widths();
  return std::accumulate(columns.begin(), columns.end(), kIndent + kGap * (columns.size() - 1));
}

std::string Table::text(const TextStyle& style) const {
  const auto columns = widths();
  std::string result;
  if (std::any_of(columns_.begin(), columns_.end(), [](const Column& column) { return !column.head.empty(); })) {
    std::vector<std::string> heads;
    for (const Column& column : columns_) {
      heads.push_back(paint(column.head, Paint::dim, style));
    }
    result += line(heads, columns_, columns);
  }
  for (const auto& row : rows_) {
    result += line(row, columns_, columns);
  }
  return result;
}

std::string heading(const std::string& text, const TextStyle& style) {
  return '\n' + paint(text, Paint::heading, style) + '\n';
}

}  // namespace moesaic
