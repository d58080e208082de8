#include "kernels/cpu/threads.hpp"

#include <tbb/parallel_for.h>
#include <tbb/partitioner.h>
#include <tbb/task_arena.h>

#include "base/error.hpp"

namespace moesaic::cpu {

struct Threads::Arena {
  tbb::task_arena arena;
};

Threads::Threads(int count) : count_(count), arena_(std::make_shared<Arena>(Arena{tbb::task_arena(count)})) {
  MOESAIC_ASSERT(count >= 1);
}

void Threads::parallel(int parts, const std::function<void(int)>& body) const {
  arena_->arena.execute([&] { tbb::parallel_for(0, parts, body, tbb::static_partitioner()); });
}

void Threads::balanced(int parts, const std::function<void(int)>& body) const {
  arena_->arena.execute([&] { tbb::parallel_for(0, parts, body, tbb::auto_partitioner()); });
}

}  // namespace moesaic::cpu
