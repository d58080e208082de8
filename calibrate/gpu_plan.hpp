// What is measured on a GPU, and in which order.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "calibrate/measurement.hpp"
#include "calibrate/model_shapes.hpp"
#include "kernels/cuda/runtime.hpp"

namespace moesaic {

/// An empty kernel, launched alone or replayed in a graph.
struct GpuLaunchPoint {
  bool graph = true;
};
struct GpuStreamPoint {
  cuda::Stream stream = cuda::Stream::read;
  std::string level;  ///< "L2", "memory", or "between"
  Bytes footprint{};  ///< of all arrays together
};
/// Dependent loads.
struct GpuChasePoint {
  std::string level;
  Bytes footprint{};
};
enum class CopyDirection : unsigned char { to_device, to_host, both };
struct GpuCopyPoint {
  CopyDirection direction = CopyDirection::to_device;
  bool pinned = true;
  Bytes bytes{};  ///< each way
};
/// From device 0 to device 1.
struct GpuPeerPoint {
  Bytes bytes{};
};
/// Instructions on registers: what no kernel exceeds.
struct GpuIssuePoint {
  DType dtype = DType::bf16;
  bool tensor = true;  ///< else plain fused multiply-adds, in fp32
};
/// Copies between host and device beside a product, and what each takes from the other.
struct GpuOverlapPoint {
  CopyDirection direction = CopyDirection::to_device;
};
/// One step of lightning attention, which no family of measurements covers.
struct GpuStatePoint {
  StateShape shape;
  int sequences = 1;
};
/// A kernel of one of the families of measurements.
struct GpuKernelPoint {
  Family family = Family::gemm;
  std::string dtype;
  std::string kv_dtype;
  std::string kernel;  ///< experts: after "own-grouped/" a routing as Routing::parse() takes it
  ShapeValues shape{};
};

struct GpuPoint {
  std::variant<GpuLaunchPoint, GpuStreamPoint, GpuChasePoint, GpuCopyPoint, GpuPeerPoint, GpuIssuePoint,
               GpuOverlapPoint, GpuStatePoint, GpuKernelPoint>
      what;
  bool essential = false;  ///< a machine cannot be described without it: measured however little time is left
};

struct GpuPlanOptions {
  int devices = 1;
  bool quick = false;     ///< few and small points
  bool host_nccl = true;  ///< collectives can be measured
  std::string routing{};  ///< of experts, measured beside even and skewed ones; empty: none
};

/// The essential points come first, then what the machine can do, then kernels of all families in turn: if time runs
/// out, every family has been measured in its most common shapes. Left out is what the device cannot hold or has no
/// arithmetic for.
std::vector<GpuPoint> gpu_plan(const cuda::DeviceProperties& device, const ModelShapes& shapes,
                               const GpuPlanOptions& options);

/// About how long a point takes: allocating and filling its data at the memory's rate, and repeats at a quarter of the
/// device's peak rates.
Seconds expected_time(const cuda::DeviceProperties& device, const GpuPoint& point);

/// "gemm bf16 cublaslt n=4096 k=4096 m=16", for people.
std::string describe(const GpuPoint& point);

/// The device's memory bandwidth and the greatest rate of its tensor cores, from clocks and counts alone: good enough
/// to plan with.
BytesPerSecond nominal_bandwidth(const cuda::DeviceProperties& device);
FlopsPerSecond nominal_peak(const cuda::DeviceProperties& device, DType dtype);

}  // namespace moesaic
