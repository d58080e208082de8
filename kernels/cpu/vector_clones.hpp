// Private to kernels: functions that are compiled for several instruction sets, the best of which the machine picks.
#pragma once

// The pick happens before the sanitizers are ready, and clang 14 does not know these names.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__)
#define MOESAIC_VECTOR_CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define MOESAIC_VECTOR_CLONES
#endif
