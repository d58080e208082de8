// Our own format as JSON lines: one flat object a line, with the keys that are the columns of the CSV.
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "calibrate/import.hpp"
#include "calibrate/measurement_text.hpp"

namespace moesaic {
namespace {

using Members = std::vector<std::pair<std::string, std::string>>;

/// Keeps the members of a flat object as text, numbers as they were written so that they are rounded once.
class FlatObject final : public nlohmann::json_sax<nlohmann::json> {
 public:
  explicit FlatObject(Members& members) : members_(members) {}

  bool null() override { return add(""); }
  bool boolean(bool value) override { return add(value ? "true" : "false"); }
  bool number_integer(number_integer_t value) override { return add(std::to_string(value)); }
  bool number_unsigned(number_unsigned_t value) override { return add(std::to_string(value)); }
  bool number_float(number_float_t, const string_t& text) override { return add(text); }
  bool string(string_t& value) override { return add(std::move(value)); }
  bool binary(binary_t&) override { return false; }
  bool start_object(std::size_t) override { return depth_++ == 0; }
  bool key(string_t& value) override {
    key_ = std::move(value);
    return true;
  }
  bool end_object() override { return true; }
  bool start_array(std::size_t) override { return false; }
  bool end_array() override { return false; }
  bool parse_error(std::size_t, const std::string&, const nlohmann::detail::exception&) override { return false; }

 private:
  bool add(std::string text) {
    if (depth_ == 0) {
      return false;
    }
    members_.emplace_back(std::move(key_), std::move(text));
    return true;
  }

  Members& members_;
  std::string key_;
  int depth_ = 0;
};

bool parse_flat(std::string_view line, Members& members) {
  members.clear();
  FlatObject handler(members);
  return nlohmann::json::sax_parse(line, &handler);
}

std::string_view text_of(const Members& members, std::string_view key) {
  for (const auto& [name, text] : members) {
    if (name == key) {
      return text;
    }
  }
  return {};
}

/// The next line that is not blank, without its end; false at the end of the text.
bool next_line(std::string_view& rest, std::string_view& line, std::uint32_t& number) {
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    line = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    ++number;
    if (line.find_first_not_of(" \t\r") != line.npos) {
      return true;
    }
  }
  return false;
}

/// One of the first lines is ours; the others may be bad.
bool looks_ours(std::string_view text) {
  std::string_view line;
  std::uint32_t number = 0;
  Members members;
  for (int i = 0; i < 5 && next_line(text, line, number); ++i) {
    if (parse_flat(line, members) && !text_of(members, "operator").empty()) {
      return true;
    }
  }
  return false;
}

void read_line(const Members& members, MeasurementSink& sink) {
  std::array<std::string_view, kKeyColumns.size()> texts;
  std::string joined;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    texts[i] = text_of(members, kKeyColumns[i]);
    joined.append(texts[i]).push_back('\0');
  }
  const std::uint32_t key = sink.key(joined, [&] { return own_key(texts); });
  const auto names = describe(sink.key_at(key).family).shape;
  ShapeValues values{};
  for (std::size_t i = 0; i < names.size(); ++i) {
    values[i] = number(text_of(members, names[i]), names[i]);
  }
  sink.add(key, values, Seconds{number(text_of(members, "latency_us"), "latency_us", -6)});
}

}  // namespace

bool read_own_lines(std::string_view text, const std::string& file, const ReadOptions& options, MeasurementSink& sink) {
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  if (first == text.npos || text[first] != '{' || !looks_ours(text)) {
    return false;
  }
  sink.begin_file(file);
  std::string_view line;
  std::uint32_t line_number = 0;
  Members members;
  while (next_line(text, line, line_number)) {
    sink.begin_row(line_number);
    try {
      if (!parse_flat(line, members)) {
        throw BadRow("not a flat JSON object");
      }
      read_line(members, sink);
    } catch (const BadRow& bad) {
      sink.bad_row(bad.what());
    }
  }
  sink.end_file(options);
  return true;
}

std::string measurements_jsonl(const Measurements& measurements) {
  std::vector<std::string> starts;
  for (const MeasurementKey& key : measurements.keys) {
    std::string start = "{";
    const auto texts = own_texts(key);
    for (std::size_t i = 0; i < texts.size(); ++i) {
      if (!texts[i].empty()) {
        const auto lossy = nlohmann::json::error_handler_t::replace;  // what is not UTF-8 has no JSON
        start += fmt::format("\"{}\":{},", kKeyColumns[i], nlohmann::json(texts[i]).dump(-1, ' ', false, lossy));
      }
    }
    starts.push_back(std::move(start));
  }
  std::string text;
  for (const Measurement& row : measurements.rows) {
    text += starts[row.key];
    const auto shape = describe(measurements.key_of(row).family).shape;
    for (std::size_t i = 0; i < shape.size(); ++i) {
      text += fmt::format("\"{}\":{},", shape[i], number_text(row.shape[i]));
    }
    text += fmt::format("\"latency_us\":{}}}\n", number_text(row.latency.value, -6));
  }
  return text;
}

}  // namespace moesaic
