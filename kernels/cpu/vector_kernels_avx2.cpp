#define MOESAIC_INSTRUCTIONS avx2
#include "kernels/cpu/vector_kernels.inl"
