#include "sim/flow_parts.hpp"

#include <limits>

namespace moesaic {
namespace {

constexpr std::uint32_t kNone = std::numeric_limits<std::uint32_t>::max();

}  // namespace

FlowParts::FlowParts(const FlowRows& rows)
    : rows_(rows), parent_(rows.capacity.size()), number_(rows.capacity.size()) {}

std::uint32_t FlowParts::root(std::uint32_t channel) {
  while (parent_[channel] != channel) {
    channel = parent_[channel] = parent_[parent_[channel]];
  }
  return channel;
}

template <typename Function>
void FlowParts::for_each_channel(std::span<const std::uint32_t> rows, Function function) {
  for (const std::uint32_t row : rows) {
    for (std::uint32_t i = rows_.first[row]; i < rows_.first[row + 1]; ++i) {
      function(row, rows_.channel[i]);
    }
  }
}

std::vector<std::vector<std::uint32_t>> FlowParts::parts(std::span<const std::uint32_t> rows) {
  for_each_channel(rows, [&](std::uint32_t, std::uint32_t channel) {
    parent_[channel] = channel;
    number_[channel] = kNone;
  });
  const auto first_channel = [&](std::uint32_t row) { return rows_.channel[rows_.first[row]]; };
  for_each_channel(
      rows, [&](std::uint32_t row, std::uint32_t channel) { parent_[root(channel)] = root(first_channel(row)); });
  std::vector<std::vector<std::uint32_t>> result;
  for (const std::uint32_t row : rows) {
    std::uint32_t& number = number_[root(first_channel(row))];
    if (number == kNone) {
      number = static_cast<std::uint32_t>(result.size());
      result.emplace_back();
    }
    result[number].push_back(row);
  }
  return result;
}

FlowRows FlowParts::only(std::span<const std::uint32_t> rows) {
  for_each_channel(rows, [&](std::uint32_t, std::uint32_t channel) { number_[channel] = kNone; });
  FlowRows result;
  for (const std::uint32_t row : rows) {
    for (std::uint32_t i = rows_.first[row]; i < rows_.first[row + 1]; ++i) {
      std::uint32_t& number = number_[rows_.channel[i]];
      if (number == kNone) {
        number = static_cast<std::uint32_t>(result.capacity.size());
        result.capacity.push_back(rows_.capacity[rows_.channel[i]]);
      }
      result.add(number, rows_.weight[i]);
    }
    result.end_row();
  }
  return result;
}

}  // namespace moesaic
