// Private to calibrate: timing of what moves between host and devices: copies, peers, collectives.
#pragma once

#include <optional>

#include "calibrate/gpu_works.hpp"
#include "calibrate/measure_gpu.hpp"

namespace moesaic {

// They throw cuda::Error. Nothing runs on the device when they return or throw, unless it is lost.
Timing time_copy(const GpuBench& bench, const GpuCopyPoint& point, const cuda::Patience& patience);
Timing time_peer_copy(const GpuBench& bench, const GpuPeerPoint& point, const cuda::Patience& patience);
/// `communicator` is of the point's ranks.
Timing time_collective(const GpuBench& bench, const GpuKernelPoint& point, void* communicator,
                       const cuda::Patience& patience);
/// GPUs that take part in a collective.
int ranks_of(const GpuKernelPoint& point);
/// None if it was stopped.
std::optional<GpuOverlap> measure_overlap(const GpuBench& bench, CopyDirection direction,
                                          const cuda::Patience& patience);

}  // namespace moesaic
