// The tests of CUDA kernels on a GPU. Their buffers stay where they are: it must be able to read the memory of the
// host.
#pragma once

#include "kernels/cuda/launch.hpp"

namespace moesaic::cuda {

/// Waits for all work, and tells what went wrong in it.
Status synchronize();

}  // namespace moesaic::cuda
