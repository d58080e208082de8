#include "hw/dram/banks.hpp"

#include <algorithm>

namespace moesaic {

Banks::Banks(const Dram& dram, const AccessPath& path)
    : timing_(dram.timing),
      spacing_(path.spacing),
      rank_spacing_(path.rank_spacing),
      single_(path.banks == 1),
      group_count_(static_cast<std::size_t>(dram.bank_groups)),
      bundles_(static_cast<std::size_t>(bundles(path, dram))),
      groups_(static_cast<std::size_t>(dram.ranks) * group_count_),
      rank_moved_(static_cast<std::size_t>(dram.ranks), kNever),
      group_activated_(groups_.size(), kNever) {
  for (int i = 0; i < static_cast<int>(bundles_.size()); ++i) {
    Bundle& bundle = bundles_[static_cast<std::size_t>(i)];
    bundle.rank = single_ ? i / dram.banks() : i % dram.ranks;
    bundle.group = single_ ? i % dram.bank_groups : 0;
  }
}

Cycle Banks::may_activate(int index) const {
  const Bundle& bundle = bundles_[static_cast<std::size_t>(index)];
  Cycle at = std::max(bundle.activate, row_command_ + 1);
  if (single_) {
    const std::size_t last = (next_activated_ + activated_.size() - 1) % activated_.size();
    const Cycle group = group_activated_[group_index(bundle)];
    at = std::max(
        {at, activated_[last] + timing_.nRRDS, group + timing_.nRRDL, activated_[next_activated_] + timing_.nFAW});
  }
  return at;
}

Cycle Banks::may_precharge(int index) const {
  return std::max(bundles_[static_cast<std::size_t>(index)].precharge, row_command_ + 1);
}

Cycle Banks::may_move(const Bundle& bundle) const {
  Cycle at = std::max(bundle.column, channel_.any + spacing_);
  if (single_) {
    at = std::max(at, group_of(bundle).any + timing_.nCCDL);
  } else {
    at = std::max(at, rank_moved_[static_cast<std::size_t>(bundle.rank)] + rank_spacing_);
  }
  return at;
}

Cycle Banks::may_read(int index) const {
  const Bundle& bundle = bundles_[static_cast<std::size_t>(index)];
  const Cycle data = timing_.nCWL + timing_.nBL;
  return std::max(
      {may_move(bundle), channel_.write + data + timing_.nWTRS, group_of(bundle).write + data + timing_.nWTRL});
}

Cycle Banks::may_write(int index) const {
  const Bundle& bundle = bundles_[static_cast<std::size_t>(index)];
  return std::max(may_move(bundle), channel_.read + timing_.nCL + timing_.nBL + timing_.nRTW - timing_.nCWL);
}

void Banks::activate(int index, std::int64_t row, Cycle at) {
  Bundle& bundle = bundles_[static_cast<std::size_t>(index)];
  bundle.row = row;
  bundle.column = at + timing_.nRCD;
  bundle.precharge = at + timing_.nRAS;
  bundle.activate = at + timing_.nRC;
  row_command_ = at;
  activated_[next_activated_] = at;
  next_activated_ = (next_activated_ + 1) % activated_.size();
  group_activated_[group_index(bundle)] = at;
}

void Banks::precharge(int index, Cycle at) {
  Bundle& bundle = bundles_[static_cast<std::size_t>(index)];
  bundle.row = -1;
  bundle.activate = std::max(bundle.activate, at + timing_.nRP);
  row_command_ = at;
}

void Banks::moved(const Bundle& bundle, Cycle at, Cycle Moved::*kind) {
  channel_.any = channel_.*kind = at;
  group_of(bundle).any = group_of(bundle).*kind = at;
  rank_moved_[static_cast<std::size_t>(bundle.rank)] = at;
}

void Banks::read(int index, Cycle at) {
  Bundle& bundle = bundles_[static_cast<std::size_t>(index)];
  moved(bundle, at, &Moved::read);
  bundle.precharge = std::max(bundle.precharge, at + timing_.nRTP);
  last_data_ = std::max(last_data_, at + timing_.nCL + timing_.nBL);
}

void Banks::write(int index, Cycle at) {
  Bundle& bundle = bundles_[static_cast<std::size_t>(index)];
  moved(bundle, at, &Moved::write);
  const Cycle end = at + timing_.nCWL + timing_.nBL;
  bundle.precharge = std::max(bundle.precharge, end + timing_.nWR);
  last_data_ = std::max(last_data_, end);
}

Banks::Refresh Banks::refresh(int rank, Cycle due) {
  Refresh refresh;
  refresh.close = std::max(due, row_command_ + 1);
  for (const Bundle& bundle : bundles_) {
    if (bundle.rank == rank && bundle.row >= 0) {
      refresh.close = std::max(refresh.close, bundle.precharge);
      ++refresh.closed;
    }
  }
  refresh.at = refresh.close;
  for (const Bundle& bundle : bundles_) {
    if (bundle.rank == rank) {
      const Cycle closed = bundle.row >= 0 ? refresh.close + timing_.nRP : 0;
      refresh.at = std::max({refresh.at, bundle.activate, closed});
    }
  }
  for (Bundle& bundle : bundles_) {
    if (bundle.rank == rank) {
      bundle.row = -1;
      bundle.activate = refresh.at + timing_.nRFC;
    }
  }
  return refresh;
}

}  // namespace moesaic
