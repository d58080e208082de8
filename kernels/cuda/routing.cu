#include "kernels/cuda/routing.cuh"

#include "kernels/cuda/gpu.cuh"
#include "kernels/cuda/launch_work.hpp"

namespace moesaic::cuda {

Status launch_work(const RouteWork& work, StreamHandle stream) { return launch(GpuLauncher{stream}, work); }
Status launch_work(const PermuteWork& work, StreamHandle stream) { return launch(GpuLauncher{stream}, work); }
Status launch_work(const UnpermuteWork& work, StreamHandle stream) { return launch(GpuLauncher{stream}, work); }

}  // namespace moesaic::cuda
