// Which unit of a device with a unit beside its memory (Logic-PIM, PIM in the banks) does what, in the words of
// configs/placements/*.json.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/config.hpp"

namespace moesaic {

enum class UnitChoice : std::uint8_t {
  processor,    ///< the device's main unit
  near_memory,  ///< the unit beside the memory
  faster,  ///< the one that finishes it first, by its arithmetic and its memory; of experts: each of them, one after
           ///< another
  co_processed  ///< of experts and of a feed-forward's columns: divided so that both are done together (Duplex,
                ///< arXiv:2409.01141, section V-B; AttAcc, ASPLOS 2024)
};
std::string_view to_text(UnitChoice choice);

struct UnitRules {
  UnitChoice decode_attention = UnitChoice::near_memory;
  UnitChoice experts = UnitChoice::near_memory;
  UnitChoice others = UnitChoice::processor;  ///< prefill attention too
  std::optional<UnitChoice> feed_forward{};   ///< of dense layers; absent: as `others`

  UnitChoice of_feed_forward() const { return feed_forward.value_or(others); }
};

struct NearMemoryDescription {
  std::string name;
  std::string description;
  std::string unit;     ///< beside the memory; empty: the device's second one
  UnitRules decode;     ///< steps in which every sequence has one new token
  UnitRules mixed;      ///< steps with prompts
  int head_groups = 1;  ///< of decode attention: one's attention runs beside the next one's projections
  /// Of the columns of dense layers' feed-forward, those that a unit's own memory has a copy of.
  double copied_columns = 1;
  std::optional<int> expert_groups;  ///< that stay together when divided; absent: the memory's spaces
  /// Share of each unit's memory bandwidth in the table of expert times by which experts are divided; absent: what
  /// units attain.
  std::optional<double> assumed_bandwidth;
  /// Of the memory's spaces, those that keys and values are in. Prompts write theirs to the others, and the processor
  /// moves them from there once; absent: everywhere, at once.
  std::optional<int> cache_spaces;
  double bank_conflicts = 0;  ///< share of one unit's accesses to banks that the other one reads at the time
};

/// Throws UserError, naming file and path.
NearMemoryDescription read_near_memory(const Config& config);
/// The same with "PATH=VALUE" changes. Throws UserError.
NearMemoryDescription with_changes(const NearMemoryDescription& description, const std::vector<std::string>& changes);

}  // namespace moesaic
