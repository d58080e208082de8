#include "kernels/background.hpp"

#include <utility>

namespace moesaic {

Background::Background(std::function<void()> work, Clock clock)
    : work_(std::move(work)), clock_(std::move(clock)), thread_([this] {
        const Seconds begin = clock_();
        while (!stop_.load(std::memory_order_relaxed)) {
          work_();
          ++calls_;
        }
        spent_ = clock_() - begin;
      }) {}

Background::~Background() { stop(); }

Seconds Background::stop() {
  stop_ = true;
  if (thread_.joinable()) {
    thread_.join();
  }
  return calls_ == 0 ? Seconds{} : spent_ / static_cast<double>(calls_);
}

}  // namespace moesaic
