// Private to hw/dram: the banks of one pseudo channel and when each may take its next command.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "hw/dram/access_path.hpp"

namespace moesaic {

using Cycle = std::int64_t;

/// Bundles of banks with all that keeps their commands waiting. Each answer "may" is the earliest cycle; each command
/// is given a cycle that is not earlier.
class Banks {
 public:
  Banks(const Dram& dram, const AccessPath& path);

  int rank(int bundle) const { return bundles_[static_cast<std::size_t>(bundle)].rank; }
  std::int64_t open_row(int bundle) const { return bundles_[static_cast<std::size_t>(bundle)].row; }  ///< none: -1

  Cycle may_activate(int bundle) const;
  Cycle may_precharge(int bundle) const;
  Cycle may_read(int bundle) const;
  Cycle may_write(int bundle) const;

  void activate(int bundle, std::int64_t row, Cycle at);
  void precharge(int bundle, Cycle at);
  void read(int bundle, Cycle at);
  void write(int bundle, Cycle at);
  struct Refresh {
    Cycle close = 0;  ///< of all open bundles of the rank
    Cycle at = 0;
    int closed = 0;  ///< bundles
  };
  /// Closes the rank's open bundles at `due` or as soon as they may, then refreshes it.
  Refresh refresh(int rank, Cycle due);

  Cycle last_data() const { return last_data_; }  ///< end of the last data on the bus

 private:
  struct Bundle {
    int rank = 0, group = 0;  ///< the group of a single bank
    std::int64_t row = -1;
    Cycle activate = 0, precharge = 0, column = 0;  ///< not before
  };
  struct Moved {
    Cycle any = kNever, read = kNever, write = kNever;
  };
  static constexpr Cycle kNever = -(Cycle{1} << 40);

  Cycle may_move(const Bundle& bundle) const;
  void moved(const Bundle& bundle, Cycle at, Cycle Moved::*kind);
  std::size_t group_index(const Bundle& bundle) const {
    return static_cast<std::size_t>(bundle.rank) * group_count_ + static_cast<std::size_t>(bundle.group);
  }
  Moved& group_of(const Bundle& bundle) { return groups_[group_index(bundle)]; }
  const Moved& group_of(const Bundle& bundle) const { return groups_[group_index(bundle)]; }

  DramTiming timing_;
  Cycle spacing_, rank_spacing_;
  bool single_;              ///< bundles are single banks, which bank groups and the activation window keep waiting
  std::size_t group_count_;  ///< of one rank
  std::vector<Bundle> bundles_;
  std::vector<Moved> groups_;      ///< of every rank
  std::vector<Cycle> rank_moved_;  ///< last read or write
  std::vector<Cycle> group_activated_;
  Moved channel_;
  std::array<Cycle, 4> activated_{kNever, kNever, kNever, kNever};  ///< the last four, by turns
  std::size_t next_activated_ = 0;
  Cycle row_command_ = kNever;
  Cycle last_data_ = 0;
};

}  // namespace moesaic
