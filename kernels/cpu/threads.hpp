// A fixed number of threads that share work. Copies are handles of the same threads.
#pragma once

#include <functional>
#include <memory>

namespace moesaic::cpu {

class Threads {
 public:
  explicit Threads(int count);

  int count() const { return count_; }
  /// Calls body(part) for every part in [0, parts), spread evenly over the threads; returns when all are done.
  void parallel(int parts, const std::function<void(int)>& body) const;
  /// The same for parts of very different size: an idle thread takes the next one.
  void balanced(int parts, const std::function<void(int)>& body) const;

 private:
  struct Arena;
  int count_;
  std::shared_ptr<Arena> arena_;
};

}  // namespace moesaic::cpu
