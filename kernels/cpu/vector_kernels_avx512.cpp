#define MOESAIC_INSTRUCTIONS avx512
#include "kernels/cpu/vector_kernels.inl"
