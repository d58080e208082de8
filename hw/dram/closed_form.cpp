#include "hw/dram/closed_form.hpp"

#include <algorithm>
#include <cmath>

#include "base/error.hpp"

namespace moesaic {

namespace {

/// What one command of every pseudo channel moves.
double access_bytes(const Dram& dram, const AccessPath& path) {
  return static_cast<double>(dram.access * path.banks) * dram.channels();
}

}  // namespace

StreamForm stream_form(const Dram& dram, const AccessPath& path, StreamKind kind) {
  MOESAIC_ASSERT(kind != StreamKind::update);
  const DramTiming& t = dram.timing;
  const bool read = kind == StreamKind::read;
  const double bundles = path.interleave, turns = path.turns, queue = dram.queue;
  StreamForm form;
  form.access = access_cycles(dram, path);
  form.data = static_cast<double>(dram.columns()) * bundles * form.access;
  // From the last access of a row to the first one of the next row of the same bank.
  const auto close = static_cast<double>((read ? t.nRTP : t.nCWL + t.nBL + t.nWR) + t.nRP);
  const auto open = static_cast<double>(t.nRCD);
  // Single banks are opened four by four; when the last four still wait, all others of the stripe have had their turn,
  // and of the next round as many as the queue holds.
  const bool single = path.banks == 1;
  const double fours = std::ceil(bundles / 4) - 1;
  const double staggered =
      single ? std::max(fours * static_cast<double>(t.nFAW), (bundles - 1) * static_cast<double>(t.nRRDS)) : 0;
  const double ahead = form.access * std::max(0.0, bundles + queue - 8);
  const double waiting = staggered - std::min(staggered, ahead);
  if (path.turns == 1) {
    form.gap = std::max(0.0, close + open - bundles * form.access + waiting);
  } else {  // other banks: closed and opened while data moves, as early as the queue shows that they are wanted
    const double others = (turns - 1) * form.data;
    const double seen = std::min(queue * form.access, others);
    form.gap = std::max(
        {0.0, static_cast<double>(t.nRP) + open + staggered - seen, close + open - others - bundles * form.access});
  }
  const double activations = single ? bundles * static_cast<double>(t.nFAW) / 4 : 0;
  form.gap = std::max({form.gap, static_cast<double>(t.nRC) / turns - form.data, activations - form.data});
  form.opening = open + waiting;
  const auto interval = static_cast<double>(t.nREFI);
  // However long, one access passes between two refreshes.
  const double lost = std::min(close + static_cast<double>(t.nRFC) + form.opening, interval);
  form.refresh = std::max(0.0, lost - form.access);
  const double nominal_data = access_bytes(dram, path) * static_cast<double>(dram.columns()) * bundles /
                              (nominal(dram, path) * dram.clock_period).value;
  form.share = nominal_data / (form.data + form.gap) * (1 - form.refresh / interval);
  return form;
}

Seconds closed_form_time(const Dram& dram, const AccessPath& path, Bytes bytes, StreamKind kind) {
  if (!(bytes.value > 0)) {
    return Seconds{};
  }
  const StreamForm form = stream_form(dram, path, kind);
  const DramTiming& t = dram.timing;
  const double round = access_bytes(dram, path) * path.interleave;
  const double rounds = std::ceil(bytes.value / round);
  const double stripes = std::ceil(rounds / static_cast<double>(dram.columns()));
  const auto last = static_cast<double>((kind == StreamKind::read ? t.nCL : t.nCWL) + t.nBL);
  const double cycles = form.opening + (rounds * path.interleave - 1) * form.access + (stripes - 1) * form.gap + last;
  const double refreshes = form.refresh / static_cast<double>(t.nREFI);
  return dram.clock_period * (cycles / (1 - refreshes));
}

}  // namespace moesaic
