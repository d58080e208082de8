// JSON of benchmark harnesses: Google Benchmark and nvbench.
#include <array>

#include "base/config.hpp"
#include "calibrate/import.hpp"
#include "calibrate/import_names.hpp"
#include "calibrate/measurement_text.hpp"

namespace moesaic {
namespace {

using Named = std::vector<std::pair<std::string, std::string>>;  // values by our column names; the first counts

std::string_view find(const Named& named, std::string_view name) {
  for (const auto& [key, value] : named) {
    if (key == name) {
      return value;
    }
  }
  return {};
}

/// "a=1 b=2" and "m:16/n:32": what stands between the separators and around the sign.
void split(std::string_view text, char separator, char sign, Named& named) {
  while (!text.empty()) {
    const std::string_view part = text.substr(0, text.find(separator));
    text.remove_prefix(std::min(part.size() + 1, text.size()));
    if (const std::size_t at = part.find(sign); at != part.npos) {
      named.emplace_back(part.substr(0, at), part.substr(at + 1));
    }
  }
}

std::string text_of(const Config& value) {
  if (value.is_string()) {
    return value.string();
  }
  return value.is_number() ? number_text(value.number()) : std::string();
}

void add_benchmark(const Named& named, double seconds, MeasurementSink& sink) {
  std::array<std::string_view, kKeyColumns.size()> texts;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    texts[i] = find(named, kKeyColumns[i]);
  }
  const MeasurementKey key = own_key(texts);
  const auto names = describe(key.family).shape;
  ShapeValues shape{};
  for (std::size_t i = 0; i < names.size(); ++i) {
    shape[i] = number(find(named, names[i]), names[i]);
  }
  sink.add(key, shape, Seconds{seconds});
}

bool is_operator(std::string_view name) {
  try {
    parse_family(name);
    return true;
  } catch (const UserError&) {
    return false;
  }
}

double time_unit(std::string_view unit) {
  constexpr std::array<std::pair<std::string_view, double>, 4> kUnits = {
      {{"ns", 1e-9}, {"us", 1e-6}, {"ms", 1e-3}, {"s", 1}}};
  for (const auto& [name, seconds] : kUnits) {
    if (name == unit) {
      return seconds;
    }
  }
  throw BadRow(fmt::format("time_unit: '{}' is not ns, us, ms or s", printable(unit, 40)));
}

/// One entry of "benchmarks". Names are "gemm/m:16/n:4096/k:4096"; device, stack, dtype, kv_dtype and kernel stand in
/// the label ("device=cpu dtype=bf16") or in the context.
void google_entry(const Config& entry, const Config& context, bool medians, MeasurementSink& sink) {
  const std::string full = entry.string_or("run_name", entry.string_or("name", ""));
  const std::string family = full.substr(0, full.find('/'));
  if (!is_operator(family)) {
    throw UnusedRow(fmt::format("{} is not the name of an operator", printable(family, 40)));
  }
  if (entry.string_or("run_type", "iteration") != (medians ? "aggregate" : "iteration") ||
      (medians && entry.string_or("aggregate_name", "") != "median")) {
    return;
  }
  if (entry.boolean_or("error_occurred", false)) {
    throw BadRow(fmt::format("{}: {}", printable(full, 80), printable(entry.string_or("error_message", "failed"))));
  }
  Named named = {{"operator", family}};
  split(entry.string_or("label", ""), ' ', '=', named);
  split(std::string_view(full).substr(family.size()), '/', ':', named);
  for (const std::string_view column : kKeyColumns) {
    if (const auto value = context.find(column)) {
      named.emplace_back(column, text_of(*value));
    }
  }
  add_benchmark(named, entry.number_or("real_time", 0) * time_unit(entry.string_or("time_unit", "ns")), sink);
}

/// The value named "value" of a summary or an axis. nvbench writes its numbers as strings.
std::string named_value(const Config& list, std::string_view name) {
  for (const Config& entry : list.elements()) {
    if (entry.string_or("name", "") == name && entry.has("value")) {
      return text_of(entry.at("value"));
    }
  }
  return {};
}

/// One state of an nvbench benchmark whose name is an operator. Axes are our columns; without a stack axis the stack is
/// "nvbench". The time is the mean of cold runs on the GPU.
void nvbench_state(const Config& state, const std::string& family, const Config& devices, MeasurementSink& sink) {
  if (state.boolean_or("is_skipped", false)) {
    throw UnusedRow(printable(state.string_or("skip_reason", "skipped")));
  }
  Named named = {{"operator", family}};
  if (const auto axes = state.find("axis_values")) {
    for (const Config& axis : axes->elements()) {
      named.emplace_back(axis.string_or("name", ""), axis.has("value") ? text_of(axis.at("value")) : "");
    }
  }
  const double device = state.number_or("device", 0);
  for (const Config& entry : devices.elements()) {
    if (entry.number_or("id", -1) == device) {
      named.emplace_back("device", device_name(entry.string_or("name", "")));
    }
  }
  named.emplace_back("stack", "nvbench");
  if (const auto summaries = state.find("summaries")) {
    for (const Config& summary : summaries->elements()) {
      if (summary.string_or("tag", "") == "nv/cold/time/gpu/mean" && summary.has("data")) {
        add_benchmark(named, number(named_value(summary.at("data"), "value"), "nv/cold/time/gpu/mean"), sink);
        return;
      }
    }
  }
  throw BadRow("no summary nv/cold/time/gpu/mean");
}

template <class Read>
void read_entry(std::uint32_t number, MeasurementSink& sink, Read&& read) {
  sink.begin_row(number);
  try {
    read();
  } catch (const BadRow& bad) {
    sink.bad_row(bad.what());
  } catch (const UnusedRow& unused) {
    sink.unused_row(unused.what());
  } catch (const UserError& wrong_type) {
    sink.bad_row(wrong_type.what());
  }
}

void read_google(const Config& root, MeasurementSink& sink) {
  const std::vector<Config> entries = root.at("benchmarks").elements();
  bool iterations = false;
  for (const Config& entry : entries) {
    iterations = iterations || (entry.is_object() && entry.string_or("run_type", "iteration") == "iteration");
  }
  std::uint32_t index = 0;
  for (const Config& entry : entries) {
    read_entry(++index, sink, [&] { google_entry(entry, root.at("context"), !iterations, sink); });
  }
}

void read_nvbench(const Config& root, MeasurementSink& sink) {
  std::uint32_t index = 0;
  for (const Config& benchmark : root.at("benchmarks").elements()) {
    const std::string family = benchmark.string_or("name", "");
    for (const Config& state : benchmark.at("states").elements()) {
      read_entry(++index, sink, [&] {
        if (!is_operator(family)) {
          throw UnusedRow(fmt::format("{} is not the name of an operator", printable(family, 40)));
        }
        nvbench_state(state, family, root.at("devices"), sink);
      });
    }
  }
}

}  // namespace

bool read_benchmark_json(std::string_view text, const std::string& file, const ReadOptions& options,
                         MeasurementSink& sink) {
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  if (first == text.npos || text[first] != '{') {
    return false;
  }
  constexpr std::size_t kLargest = std::size_t{64} << 20;
  if (text.size() > kLargest) {
    throw UserError(fmt::format("{}: JSON larger than 64 MiB", printable(file, 400)));
  }
  if (const std::string_view line = text.substr(first, text.find('\n', first) - first);
      line.find_last_not_of(" \t\r") == line.rfind('}') && text.find('{', first + line.size()) != text.npos) {
    return false;  // JSON lines of somebody else
  }
  const Config root = Config::parse(text, file);
  const auto benchmarks = root.find("benchmarks");
  if (!benchmarks || !benchmarks->is_array()) {
    return false;
  }
  const auto is_object = [&](std::string_view key) { return root.has(key) && root.at(key).is_object(); };
  const bool google = is_object("context");
  if (!google && !(root.has("devices") && root.at("devices").is_array())) {
    return false;
  }
  sink.begin_file(file, "entry");
  google ? read_google(root, sink) : read_nvbench(root, sink);
  sink.end_file(options);
  return true;
}

}  // namespace moesaic
