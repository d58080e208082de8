// From a point of the plan to works with their data on the device.
#pragma once

#include <vector>

#include "calibrate/gpu_inputs.hpp"
#include "calibrate/gpu_plan.hpp"

namespace moesaic {

/// What the works of all points share.
struct GpuBench {
  cuda::Runtime& runtime;
  cuda::StreamHandle stream;
  const cuda::DeviceProperties& device;
  const RandomBlock& random;
  void* gemm_workspace = nullptr;
  Bytes gemm_workspace_bytes{};
};

struct PreparedWorks {
  Workspace data;
  /// They do the same on data of their own, so that each call in turn reads what is no longer in the caches.
  std::vector<cuda::Chain> chains;
};

/// Allocates and fills what the point needs. Throws cuda::Error. Not for collectives.
PreparedWorks prepare(const GpuBench& bench, const GpuKernelPoint& point);
PreparedWorks prepare(const GpuBench& bench, const GpuStatePoint& point);
PreparedWorks prepare(const GpuBench& bench, const GpuStreamPoint& point);
PreparedWorks prepare(const GpuBench& bench, const GpuIssuePoint& point);
/// Every work of the chains makes `steps` dependent loads.
PreparedWorks prepare(const GpuBench& bench, const GpuChasePoint& point, std::uint32_t& steps);

/// What one work moves through the memory it streams over: reading and writing count once each.
Bytes traffic(const cuda::StreamWork& work);

}  // namespace moesaic
