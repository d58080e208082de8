// Launches our own kernels: all works but GemmWork, which a library does.
#pragma once

#include "kernels/cuda/runtime.hpp"

namespace moesaic::cuda {

/// On the current device. A shape for which there is no kernel gives a status that says so, and launches nothing.
Status launch(const Work& work, StreamHandle stream);

}  // namespace moesaic::cuda
