// Which measured kernel a task of a step is: its family, formats and shape.
#pragma once

#include <optional>

#include "calibrate/kernel_model.hpp"
#include "model/step_graph.hpp"

namespace moesaic {

/// Formats of products that measurements know, by index.
inline constexpr std::string_view kProductFormats[] = {"bf16",        "fp8",     "fp8-block", "nvfp4", "mxfp4", "int8",
                                                       "mxfp4-mxfp8", "int8-wo", "int4-wo",   "fp16",  "fp32"};
inline constexpr std::size_t kProductFormatCount = std::size(kProductFormats);
/// Formats of caches.
inline constexpr std::string_view kCacheFormats[] = {"", "bf16", "fp8"};
inline constexpr std::size_t kCacheFormatCount = std::size(kCacheFormats);

struct TaskKernel {
  Family family = Family::gemm;
  std::uint8_t format = 0;  ///< index into kProductFormats
  std::uint8_t cache = 0;   ///< index into kCacheFormats
  std::uint8_t kernel = 0;  ///< operation, for families that have several: see kernel_operations()
  ShapeValues shape{};
  double times = 1;                  ///< how many times longer the task takes than the kernel that was measured
  std::optional<ExpertLoad> load{};  ///< of routed experts: what the step's routing gives, whatever was measured
};
/// Of `setting`'s kernel.
KernelPoint kernel_point(const KernelSetting& setting, const TaskKernel& kernel);

/// Operations that a family's kernels are named after, e.g. "all_reduce"; one empty name for families with one.
std::span<const std::string_view> kernel_operations(Family family);

/// None for tasks that no measured family covers (linear attention, copies, work on the host). Experts whose rows an
/// exchange brought are those of a wide group where `received`, else fused experts that look for their rows.
std::optional<TaskKernel> task_kernel(const Task& task, const MachineView& view, bool received = true);

}  // namespace moesaic
