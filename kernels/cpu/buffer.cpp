#include "kernels/cpu/buffer.hpp"

#include <sys/mman.h>

namespace moesaic::cpu {

void ask_for_huge_pages(void* data, std::size_t bytes) {
#ifdef MADV_HUGEPAGE
  madvise(data, bytes, MADV_HUGEPAGE);
#else
  (void)data, (void)bytes;
#endif
}

}  // namespace moesaic::cpu
