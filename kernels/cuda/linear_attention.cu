#include "kernels/cuda/linear_attention.cuh"

#include "kernels/cuda/gpu.cuh"
#include "kernels/cuda/launch_work.hpp"

namespace moesaic::cuda {

Status launch_work(const LinearAttentionWork& work, StreamHandle stream) { return launch(GpuLauncher{stream}, work); }

}  // namespace moesaic::cuda
