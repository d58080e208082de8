#include "calibrate/csv.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

namespace moesaic {

CsvTable::CsvTable(std::string_view text) : rest_(text) {
  if (rest_.starts_with("\xEF\xBB\xBF")) {
    rest_.remove_prefix(3);
  }
  std::string_view line;
  do {
    if (!next_line(line)) {
      return;
    }
  } while (line.starts_with('#'));
  try {
    split(line);
  } catch (const BadRow&) {
    return;  // no header, so nobody knows this file
  }
  header_.assign(row_.begin(), row_.end());
}

bool CsvTable::has(std::initializer_list<std::string_view> columns) const {
  return std::all_of(columns.begin(), columns.end(), [&](std::string_view name) { return column(name).has_value(); });
}

std::optional<std::size_t> CsvTable::column(std::string_view name) const {
  const auto found = std::find(header_.begin(), header_.end(), name);
  if (found == header_.end()) {
    return {};
  }
  return static_cast<std::size_t>(found - header_.begin());
}

void CsvTable::split() {
  split(current_);
  if (row_.size() != header_.size()) {
    throw BadRow(fmt::format("{} fields instead of {}", row_.size(), header_.size()));
  }
}

bool CsvTable::next_line(std::string_view& line) {
  while (!rest_.empty()) {
    const std::size_t end = std::min(rest_.find('\n'), rest_.size());
    line = rest_.substr(0, end);
    rest_.remove_prefix(std::min(end + 1, rest_.size()));
    ++line_;
    if (line.ends_with('\r')) {
      line.remove_suffix(1);
    }
    if (!line.empty()) {
      return true;
    }
  }
  return false;
}

void CsvTable::split(std::string_view line) {
  row_.clear();
  unquoted_.clear();
  while (true) {
    if (!line.starts_with('"')) {
      const std::size_t comma = line.find(',');
      row_.push_back(line.substr(0, comma));
      if (comma == line.npos) {
        return;
      }
      line.remove_prefix(comma + 1);
      continue;
    }
    std::string field;
    std::size_t at = 1;
    for (; at < line.size() && (line[at] != '"' || line.substr(at, 2) == "\"\""); ++at) {
      field += line[at];
      at += line[at] == '"' ? 1 : 0;
    }
    if (at == line.size() || (at + 1 < line.size() && line[at + 1] != ',')) {
      throw BadRow("a quote that does not end, or ends inside a field");
    }
    unquoted_.push_back(std::move(field));
    row_.emplace_back(unquoted_.back());
    if (at + 1 == line.size()) {
      return;
    }
    line.remove_prefix(at + 2);
  }
}

std::optional<double> parse_number(std::string_view text, int exponent) {
  std::array<char, 64> buffer;
  if (exponent != 0) {
    // The exponent is moved in the text, so that the number is rounded once.
    const std::size_t mark = std::min(text.find_first_of("eE"), text.size());
    int own = 0;
    if (mark < text.size()) {
      const std::string_view digits = text.substr(mark + (text.substr(mark + 1).starts_with('+') ? 2 : 1));
      const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), own);
      if (error != std::errc{} || end != digits.data() + digits.size() || std::abs(own) > 1000) {
        return {};
      }
    }
    if (mark == 0 || mark > 48) {
      return {};
    }
    const auto written = fmt::format_to_n(buffer.data(), buffer.size(), "{}e{}", text.substr(0, mark), own + exponent);
    text = {buffer.data(), written.size};
  }
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || !std::isfinite(value)) {
    return {};
  }
  return value;
}

std::string number_text(double value, int exponent) {
  if (exponent == 0 || value == 0) {
    return fmt::format("{}", value);
  }
  std::array<char, 64> buffer;
  const auto [end, error] =
      std::to_chars(buffer.data(), buffer.data() + buffer.size(), value, std::chars_format::scientific);
  const std::string_view text(buffer.data(), static_cast<std::size_t>(end - buffer.data()));
  const std::size_t mark = text.find('e');
  if (mark == text.npos) {
    return std::string(text);  // not finite
  }
  const int power = std::stoi(std::string(text.substr(mark + 1))) - exponent;
  const bool negative = text.starts_with('-');
  std::string digits;
  for (const char c : text.substr(0, mark)) {
    if (c >= '0' && c <= '9') {
      digits += c;
    }
  }
  const std::string sign = negative ? "-" : "";
  if (power < -4 || power > 15) {
    return fmt::format("{}{}.{}e{}", sign, digits[0], digits.size() > 1 ? digits.substr(1) : "0", power);
  }
  if (power < 0) {
    return sign + "0." + std::string(static_cast<std::size_t>(-power - 1), '0') + digits;
  }
  const auto whole = static_cast<std::size_t>(power) + 1;
  if (digits.size() <= whole) {
    return sign + digits + std::string(whole - digits.size(), '0');
  }
  return sign + digits.substr(0, whole) + "." + digits.substr(whole);
}

std::string csv_field(std::string_view text) {
  if (text.find_first_of(",\"") == text.npos && !text.starts_with('#')) {
    return std::string(text);
  }
  std::string quoted = "\"";
  for (const char c : text) {
    quoted += c;
    if (c == '"') {
      quoted += c;
    }
  }
  return quoted + '"';
}

}  // namespace moesaic
