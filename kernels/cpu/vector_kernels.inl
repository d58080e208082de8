// The inner loops, for the instruction set that this file is compiled for; MOESAIC_INSTRUCTIONS names its namespace.
// Nothing of the standard library is called: a copy of an inline function that was compiled here could be the one that
// the linker keeps for everybody, also on processors without these instructions.
#include <type_traits>
#include <utility>

#include "kernels/cpu/vector_kernels.hpp"
#if defined(__AVX2__)
#include <immintrin.h>
#endif

namespace moesaic::cpu::MOESAIC_INSTRUCTIONS {
namespace {

#include "kernels/cpu/vectors.inl"

#include "kernels/cpu/paged_attention.inl"

#include "kernels/cpu/few_rows.inl"

}  // namespace

extern const VectorKernels kKernels;
const VectorKernels kKernels{attend<float>, attend<Bf16>, few_rows};

}  // namespace moesaic::cpu::MOESAIC_INSTRUCTIONS
