// A table of text with aligned columns.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "reports/report.hpp"

namespace moesaic {

enum class Align : unsigned char { left, right };

struct Column {
  std::string head;  ///< a table whose heads are all empty has no head line
  Align align = Align::left;
};

/// Cells may hold escape sequences of paint(). Columns are two spaces apart and lines are indented by two.
class Table {
 public:
  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}
  /// As many cells as columns; missing ones are empty.
  void add(std::vector<std::string> cells);
  bool empty() const { return rows_.empty(); }
  /// Columns of the terminal that the table takes, indentation included.
  std::size_t width() const;
  std::string text(const TextStyle& style) const;

 private:
  std::vector<std::size_t> widths() const;

  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

/// A heading line of a report, after an empty line.
std::string heading(const std::string& text, const TextStyle& style);

}  // namespace moesaic
