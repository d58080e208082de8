#include "kernels/cuda/runtime.hpp"

#ifdef MOESAIC_CUDA_KERNELS
#include "kernels/cuda/cuda_runtime.hpp"
#include "kernels/cuda/launch.hpp"
#endif

namespace moesaic::cuda {

std::unique_ptr<Runtime> cuda_runtime() {
#ifdef MOESAIC_CUDA_KERNELS
  return make_cuda_runtime(&launch);
#else
  return nullptr;
#endif
}

}  // namespace moesaic::cuda
