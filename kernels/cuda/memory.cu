#include "kernels/cuda/memory.cuh"

#include "kernels/cuda/gpu.cuh"
#include "kernels/cuda/launch_work.hpp"

namespace moesaic::cuda {

Status launch_work(const EmptyWork& work, StreamHandle stream) { return launch(GpuLauncher{stream}, work); }
Status launch_work(const StreamWork& work, StreamHandle stream) { return launch(GpuLauncher{stream}, work); }
Status launch_work(const ChaseWork& work, StreamHandle stream) { return launch(GpuLauncher{stream}, work); }

}  // namespace moesaic::cuda
