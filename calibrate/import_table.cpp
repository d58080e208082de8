#include "calibrate/import_table.hpp"

#include <algorithm>
#include <array>

#include "calibrate/import_names.hpp"

namespace moesaic {
namespace {

struct BoundShape {
  std::size_t ours;
  std::optional<std::size_t> theirs;
  std::optional<std::size_t> added;
  ShapeSource source;
};

constexpr std::size_t kMostKeyColumns = 8;

}  // namespace

std::size_t shape_index(Family family, std::string_view column) {
  const auto shape = describe(family).shape;
  const auto found = std::find(shape.begin(), shape.end(), column);
  MOESAIC_ASSERT(found != shape.end());
  return static_cast<std::size_t>(found - shape.begin());
}

void count_matrices(const MeasurementKey& key, ShapeValues& shape) {
  static_assert(kMostShapeColumns >= 5);
  shape[4] = expert_matrices(key.kernel, shape[0], shape[1], shape[2], shape[3]);
}

RowReader described_table(const CsvTable& table, const TableDescription& description, Family family) {
  MOESAIC_ASSERT(description.key_columns.size() <= kMostKeyColumns);
  MOESAIC_ASSERT(description.shape.size() == describe(family).shape.size());
  std::vector<std::size_t> keys;
  for (const std::string_view name : description.key_columns) {
    const auto column = table.column(name);
    if (!column) {
      return {};
    }
    keys.push_back(*column);
  }
  std::vector<BoundShape> shape;
  for (const ShapeSource& source : description.shape) {
    const auto theirs = source.theirs.empty() ? std::nullopt : table.column(source.theirs);
    const bool optional =
        source.theirs.empty() || source.constant != 0 || source.ours == "window" || source.ours == "prefix_len";
    if (!theirs && !optional) {
      return {};
    }
    shape.push_back({shape_index(family, source.ours), theirs,
                     source.added.empty() ? std::nullopt : table.column(source.added), source});
  }
  const auto latency = table.column(description.latency);
  const bool complete = std::all_of(description.also.begin(), description.also.end(),
                                    [&](std::string_view name) { return table.column(name).has_value(); });
  if (!latency || !complete) {
    return {};
  }
  return [&table, description, keys, shape, latency = *latency, joined = std::string()](MeasurementSink& sink) mutable {
    std::array<std::string_view, kMostKeyColumns> texts;
    joined.clear();
    for (std::size_t i = 0; i < keys.size(); ++i) {
      texts[i] = table[keys[i]];
      joined.append(texts[i]).push_back('\n');  // a line feed is in no field
    }
    const std::span<const std::string_view> used(texts.data(), keys.size());
    if (description.skip && description.skip(used)) {
      return false;
    }
    const std::uint32_t key = sink.key(joined, [&] { return description.key(used); });
    ShapeValues values{};
    for (const BoundShape& bound : shape) {
      double& value = values[bound.ours];
      if (!bound.theirs) {
        value = bound.source.constant;
      } else if (bound.source.parse) {
        value = bound.source.parse(table[*bound.theirs]);
      } else {
        value = number(table[*bound.theirs], bound.source.theirs);
      }
      if (bound.added) {
        value += number(table[*bound.added], bound.source.added);
      }
    }
    if (description.complete) {
      description.complete(sink.key_at(key), values);
    }
    const double seconds = number(table[latency], description.latency, description.latency_exponent);
    if (seconds == 0 && description.may_be_nothing) {
      return false;
    }
    sink.add(key, values, Seconds{seconds});
    return true;
  };
}

}  // namespace moesaic
