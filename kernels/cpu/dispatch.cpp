#include "kernels/cpu/dispatch.hpp"

#include <atomic>

namespace moesaic::cpu {

void dispatch_empty(const Threads& threads) {
  constexpr int kPatience = 1 << 16;  // about 100 us
  std::atomic<int> arrived = 0;
  const int count = threads.count();
  threads.parallel(count, [&](int) {
    arrived.fetch_add(1, std::memory_order_acq_rel);
    for (int i = 0; i < kPatience && arrived.load(std::memory_order_acquire) < count; ++i) {
    }
  });
}

}  // namespace moesaic::cpu
