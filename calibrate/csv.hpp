// Comma-separated text, row by row, without copying; and numbers read from text.
#pragma once

#include <cstdint>
#include <deque>
#include <initializer_list>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace moesaic {

/// A row of a file that cannot be used. what() is the reason: "m: 'x' is not a number".
class BadRow : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// A row of a file that is right but says nothing that we can use; what() is why.
class UnusedRow : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// The first line is the header; blank lines, and lines of "#" before the header, are passed over. A field may be
/// quoted ("" is a quote inside quotes) but not span lines. The text must outlive the table.
class CsvTable {
 public:
  explicit CsvTable(std::string_view text);

  const std::vector<std::string>& header() const { return header_; }
  bool has(std::initializer_list<std::string_view> columns) const;
  std::optional<std::size_t> column(std::string_view name) const;

  bool next() { return next_line(current_); }  ///< goes to the next row; false at the end
  void split();  ///< the current row into fields; throws BadRow if they are not as many as in the header
  std::uint32_t line() const { return line_; }                                    ///< of the current row, from 1
  std::string_view operator[](std::size_t column) const { return row_[column]; }  ///< until the next split()

 private:
  bool next_line(std::string_view& line);
  void split(std::string_view line);

  std::string_view rest_;
  std::string_view current_;
  std::uint32_t line_ = 0;
  std::vector<std::string> header_;
  std::vector<std::string_view> row_;
  std::deque<std::string> unquoted_;  // what row_ points to where a quote stood inside quotes
};

/// `text` times 10^exponent, rounded once: parse_number("12.3", -6) is the double nearest to 12.3e-6. No value for what
/// is not a whole finite decimal number.
std::optional<double> parse_number(std::string_view text, int exponent = 0);
/// The shortest text that parse_number(text, exponent) reads back as exactly `value`.
std::string number_text(double value, int exponent = 0);
/// A field, quoted where it must be.
std::string csv_field(std::string_view text);

}  // namespace moesaic
