// Private to kernels: the runtime of the CUDA Toolkit. Compiled where the toolkit is; needs no driver to be linked.
#pragma once

#include <memory>

#include "kernels/cuda/runtime.hpp"

namespace moesaic::cuda {

/// Launches what is no matrix product of cuBLASLt.
using KernelLaunch = Status (*)(const Work& work, StreamHandle stream);

std::unique_ptr<Runtime> make_cuda_runtime(KernelLaunch launch);

}  // namespace moesaic::cuda
