#include "kernels/cpu/vector_kernels.hpp"

#include "base/error.hpp"

namespace moesaic::cpu {

namespace baseline {
extern const VectorKernels kKernels;
}
#ifdef MOESAIC_X86
namespace avx2 {
extern const VectorKernels kKernels;
}
namespace avx512 {
extern const VectorKernels kKernels;
}
#endif

std::string_view name(Instructions instructions) {
  constexpr std::string_view kNames[] = {"baseline", "avx2", "avx512"};
  return kNames[static_cast<std::size_t>(instructions)];
}

std::vector<Instructions> usable_instructions() {
  std::vector<Instructions> usable{Instructions::baseline};
#ifdef MOESAIC_X86
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
    usable.push_back(Instructions::avx2);
  }
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512vl")) {
    usable.push_back(Instructions::avx512);
  }
#endif
  return usable;
}

Instructions best_instructions() {
  static const Instructions best = usable_instructions().back();
  return best;
}

const VectorKernels& vector_kernels(Instructions instructions) {
  switch (instructions) {
#ifdef MOESAIC_X86
    case Instructions::avx512:
      return avx512::kKernels;
    case Instructions::avx2:
      return avx2::kKernels;
#endif
    default:
      MOESAIC_ASSERT(instructions == Instructions::baseline);
      return baseline::kKernels;
  }
}

}  // namespace moesaic::cpu
