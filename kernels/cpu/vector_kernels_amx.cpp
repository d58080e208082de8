#define MOESAIC_INSTRUCTIONS amx
#include "kernels/cpu/vector_kernels.inl"
