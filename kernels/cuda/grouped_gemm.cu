#include "kernels/cuda/grouped_gemm.cuh"

#include "kernels/cuda/gpu.cuh"
#include "kernels/cuda/launch_work.hpp"

namespace moesaic::cuda {

Status launch_work(const GroupedGemmWork& work, StreamHandle stream) { return launch(GpuLauncher{stream}, work); }

}  // namespace moesaic::cuda
