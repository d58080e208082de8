#include "kernels/cuda/compute_roof.cuh"

#include "kernels/cuda/gpu.cuh"
#include "kernels/cuda/launch_work.hpp"

namespace moesaic::cuda {

Status launch_work(const TensorIssueWork& work, StreamHandle stream) { return launch(GpuLauncher{stream}, work); }
Status launch_work(const FmaIssueWork& work, StreamHandle stream) { return launch(GpuLauncher{stream}, work); }

}  // namespace moesaic::cuda
