// Streams over an access path in closed form: what command by command simulation gives, without running it.
#pragma once

#include "hw/dram/stream.hpp"

namespace moesaic {

/// What a stream's stripes and refreshes take, in cycles.
struct StreamForm {
  double access = 0;   ///< from one command that moves data to the next
  double data = 0;     ///< commands of one stripe
  double gap = 0;      ///< between stripes: rows are closed and opened, as far as no data moves meanwhile
  double opening = 0;  ///< of the first stripe
  double refresh = 0;  ///< lost to one refresh: draining, the refresh itself, opening again
  double share = 0;    ///< of the nominal bandwidth, for long streams
};

/// Reads or writes; an update needs the simulation.
StreamForm stream_form(const Dram& dram, const AccessPath& path, StreamKind kind = StreamKind::read);

/// Of a stream of so many bytes (zero: no time), the mean over where refreshes fall.
Seconds closed_form_time(const Dram& dram, const AccessPath& path, Bytes bytes, StreamKind kind = StreamKind::read);

}  // namespace moesaic
