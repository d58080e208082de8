#include "kernels/cuda/launch.hpp"

#include <type_traits>

#include "kernels/cuda/launch_work.hpp"

namespace moesaic::cuda {

Status launch(const Work& work, StreamHandle stream) {
  return std::visit(
      [&](const auto& one) -> Status {
        if constexpr (std::is_same_v<std::decay_t<decltype(one)>, GemmWork>) {
          return {801, "gemm is done by a library, not by a kernel of ours"};  // cudaErrorNotSupported
        } else {
          return launch_work(one, stream);
        }
      },
      work);
}

}  // namespace moesaic::cuda
