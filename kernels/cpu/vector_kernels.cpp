#include "kernels/cpu/vector_kernels.hpp"

#include "base/error.hpp"

#if defined(MOESAIC_X86) && defined(__linux__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

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
namespace amx {
extern const VectorKernels kKernels;
}
#endif

namespace {

/// Linux lets a process use the matrix unit's large state only after it has asked.
bool may_use_tiles() {
#if defined(MOESAIC_X86) && defined(__linux__)
  unsigned a = 0, b = 0, c = 0, d = 0;
  constexpr unsigned kTilesAndBf16 = 1U << 24 | 1U << 22;  // CPUID leaf 7, EDX
  if (__get_cpuid_count(7, 0, &a, &b, &c, &d) == 0 || (d & kTilesAndBf16) != kTilesAndBf16) {
    return false;
  }
  constexpr long kRequestPermission = 0x1023, kTileData = 18;  // asm/prctl.h, asm/fpu/types.h
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
#else
  return false;
#endif
}

}  // namespace

std::string_view name(Instructions instructions) {
  constexpr std::string_view kNames[] = {"baseline", "avx2", "avx512", "amx"};
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
    if (__builtin_cpu_supports("avx512bf16") && may_use_tiles()) {
      usable.push_back(Instructions::amx);
    }
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
    case Instructions::amx:
      return amx::kKernels;
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
