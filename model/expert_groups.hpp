// Group-limited routing: the experts of one token lie in few of the groups that the experts are divided into.
#pragma once

#include <cstdint>

namespace moesaic {

/// Experts in equal groups of neighbours; a token uses experts of at most `most` groups. A token's groups are those of
/// its best experts (group_limited_greedy of DeepSeek-V2, arXiv:2405.04434 section 2.1.3: devices by their best expert;
/// DeepSeek-V3 adds up each group's best two). So it takes its experts in the order of their scores and skips those
/// that would open a group too many. `most` = 0: no limit.
struct GroupLimit {
  std::int64_t groups = 0;
  std::int64_t most = 0;
  bool limits() const { return most > 0 && most < groups; }
  bool operator==(const GroupLimit&) const = default;
};

/// Throws UserError if groups do not divide the experts, or `most` of them hold fewer than top_k or are more than all.
void check_group_limit(const GroupLimit& limit, std::int64_t experts, std::int64_t top_k);

}  // namespace moesaic
