// Points of the plan in words.
#include <fmt/format.h>

#include "base/quantity_text.hpp"
#include "calibrate/gpu_plan.hpp"

namespace moesaic {
namespace {

std::string_view text(CopyDirection direction) {
  return direction == CopyDirection::to_device ? "host to device"
         : direction == CopyDirection::to_host ? "device to host"
                                               : "both ways between host and device";
}

std::string_view text(cuda::Stream stream) {
  constexpr std::string_view kNames[] = {"read", "write", "copy", "triad"};
  return kNames[static_cast<std::size_t>(stream)];
}

struct GpuPointText {
  std::string operator()(const GpuLaunchPoint& point) const {
    return point.graph ? "empty kernels in a graph" : "empty kernels, launched one by one";
  }
  std::string operator()(const GpuStreamPoint& point) const {
    return fmt::format("{} {} of {}", point.level, text(point.stream), to_text(point.footprint));
  }
  std::string operator()(const GpuChasePoint& point) const {
    return fmt::format("{} latency in {}", point.level, to_text(point.footprint));
  }
  std::string operator()(const GpuCopyPoint& point) const {
    return fmt::format("copy {}, {}, {}", text(point.direction), point.pinned ? "pinned" : "pageable",
                       to_text(point.bytes));
  }
  std::string operator()(const GpuPeerPoint& point) const {
    return fmt::format("copy from device to device, {}", to_text(point.bytes));
  }
  std::string operator()(const GpuIssuePoint& point) const {
    return point.tensor ? fmt::format("tensor cores {}", name(point.dtype)) : "fused multiply-add fp32";
  }
  std::string operator()(const GpuOverlapPoint& point) const {
    return fmt::format("a product beside copies {}", text(point.direction));
  }
  std::string operator()(const GpuStatePoint& point) const {
    return fmt::format("lightning attention, {} heads of {}, {} sequences", point.shape.heads, point.shape.head_dim,
                       point.sequences);
  }
  std::string operator()(const GpuKernelPoint& point) const {
    Measurement row;
    row.shape = point.shape;
    return fmt::format("{} {}{} {} {}", name(point.family), point.dtype,
                       point.kv_dtype.empty() ? "" : " kv=" + point.kv_dtype, point.kernel,
                       shape_text(row, point.family));
  }
};

}  // namespace

std::string describe(const GpuPoint& point) { return std::visit(GpuPointText{}, point.what); }

}  // namespace moesaic
