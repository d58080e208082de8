// Private to sim: which rows have channels in common, directly or through others.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "sim/flow_rows.hpp"

namespace moesaic {

/// Keeps its memory from one question to the next. The rows must outlive it; each crosses at least one channel.
class FlowParts {
 public:
  explicit FlowParts(const FlowRows& rows);

  /// The given rows by parts that share no channel, each in the order of `rows`.
  std::vector<std::vector<std::uint32_t>> parts(std::span<const std::uint32_t> rows);

  /// The given rows on their own, with only their channels.
  FlowRows only(std::span<const std::uint32_t> rows);

 private:
  std::uint32_t root(std::uint32_t channel);
  template <typename Function>
  void for_each_channel(std::span<const std::uint32_t> rows, Function function);

  const FlowRows& rows_;
  std::vector<std::uint32_t> parent_;  ///< of channels, in a forest with a tree for each part
  std::vector<std::uint32_t> number_;  ///< of channels in their part, or of the part of a root
};

}  // namespace moesaic
