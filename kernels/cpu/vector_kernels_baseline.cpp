#define MOESAIC_INSTRUCTIONS baseline
#include "kernels/cpu/vector_kernels.inl"
