#include "apps/request_trace.hpp"

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <fstream>
#include <iterator>
#include <string>

#include "base/config.hpp"
#include "base/error.hpp"
#include "calibrate/csv.hpp"

namespace moesaic {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kMostTraceTokens = 1 << 28;

std::vector<RequestLengths> read_json(const fs::path& file) {
  const Config config = Config::load(file);
  const auto tokens = [](const Config& value) {
    const std::int64_t count = value.positive();
    if (count > kMostTraceTokens) {
      value.fail(fmt::format("{} is more than {} tokens", count, kMostTraceTokens));
    }
    return count;
  };
  std::vector<RequestLengths> trace;
  for (const Config& request : config.at("requests").elements()) {
    trace.push_back({tokens(request.at("input")), tokens(request.at("output"))});
  }
  constexpr std::array<std::string_view, 3> kNotes = {"source", "sources", "note"};
  config.ignore(kNotes);
  config.reject_unknown();
  if (trace.empty()) {
    config.at("requests").fail("has no requests");
  }
  return trace;
}

std::string text_of(const fs::path& file) {
  std::error_code error;
  if (!fs::is_regular_file(file, error)) {
    throw UserError(fmt::format("--trace: {}: {}", printable(file.string(), 400),
                                fs::exists(file, error) ? "not a file" : "no such file"));
  }
  std::ifstream stream(file, std::ios::binary);
  std::string text{std::istreambuf_iterator<char>(stream), {}};
  if (!stream) {
    throw UserError(fmt::format("--trace: {}: cannot be read", printable(file.string(), 400)));
  }
  return text;
}

std::vector<RequestLengths> read_csv(const std::string& text, const std::string& file) {
  const auto refuse = [&](std::uint32_t line, const std::string& why) {
    throw UserError(fmt::format("--trace: {}: line {}: {}", printable(file, 400), line, why));
  };
  std::vector<RequestLengths> trace;
  CsvTable table(text);
  const bool azure = table.has({"ContextTokens", "GeneratedTokens"});
  const auto input = table.column(azure ? "ContextTokens" : "input");
  const auto output = table.column(azure ? "GeneratedTokens" : "output");
  if (!input || !output) {
    refuse(1, "found no columns 'input' and 'output' (nor 'ContextTokens' and 'GeneratedTokens')");
  }
  const auto tokens = [&](std::size_t column) {
    const std::optional<double> value = parse_number(table[column]);
    if (!value || *value < 1 || *value > static_cast<double>(kMostTraceTokens) || *value != std::floor(*value)) {
      refuse(table.line(), fmt::format("{}: '{}' is not a whole number of tokens from 1 to {}", table.header()[column],
                                       printable(table[column]), kMostTraceTokens));
    }
    return static_cast<std::int64_t>(*value);
  };
  while (table.next()) {
    try {
      table.split();
    } catch (const BadRow& bad) {
      refuse(table.line(), bad.what());
    }
    trace.push_back({tokens(*input), tokens(*output)});
  }
  if (trace.empty()) {
    throw UserError(fmt::format("--trace: {}: has no requests", printable(file, 400)));
  }
  return trace;
}

}  // namespace

std::vector<RequestLengths> read_request_trace(const fs::path& file) {
  const std::string text = text_of(file);
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  return first != text.npos && text[first] == '{' ? read_json(file) : read_csv(text, file.string());
}

}  // namespace moesaic
