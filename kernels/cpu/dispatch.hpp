// What it costs to start work on all threads and to wait for it.
#pragma once

#include "kernels/cpu/threads.hpp"

namespace moesaic::cpu {

/// A parallel region in which every thread does nothing but meet the others. Where fewer threads come than were asked
/// for, it goes on without them.
void dispatch_empty(const Threads& threads);

}  // namespace moesaic::cpu
