#include "kernels/cuda/elementwise.cuh"

#include "kernels/cuda/gpu.cuh"
#include "kernels/cuda/launch_work.hpp"

namespace moesaic::cuda {

Status launch_work(const RmsNormWork& work, StreamHandle stream) { return launch(GpuLauncher{stream}, work); }
Status launch_work(const SiluMulWork& work, StreamHandle stream) { return launch(GpuLauncher{stream}, work); }
Status launch_work(const RotaryWork& work, StreamHandle stream) { return launch(GpuLauncher{stream}, work); }
Status launch_work(const QuantizeWork& work, StreamHandle stream) { return launch(GpuLauncher{stream}, work); }

}  // namespace moesaic::cuda
