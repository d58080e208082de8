// Work that goes on beside what is timed.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <thread>

#include "kernels/timing.hpp"

namespace moesaic {

/// Calls `work` again and again on a thread of its own until it is stopped.
class Background {
 public:
  Background(std::function<void()> work, Clock clock);
  ~Background();
  Background(const Background&) = delete;
  Background& operator=(const Background&) = delete;

  /// Ends the work, when the call that has begun is done. Returns the mean time of a call; zero if none ended.
  Seconds stop();

 private:
  std::function<void()> work_;
  Clock clock_;
  std::atomic<bool> stop_ = false;
  std::uint64_t calls_ = 0;
  Seconds spent_{};
  std::thread thread_;
};

}  // namespace moesaic
