#include "apps/interrupt.hpp"

namespace moesaic {
namespace {

// A signal handler gets nothing but the signal's number, so what it changes cannot be anywhere else.
std::atomic<bool>& raised() {
  static_assert(std::atomic<bool>::is_always_lock_free);
  static constinit std::atomic<bool> flag = false;
  return flag;
}

extern "C" void on_interrupt(int) { raised().store(true, std::memory_order_relaxed); }

}  // namespace

Interrupt::Interrupt() {
  raised() = false;
  struct sigaction action {};
  action.sa_handler = on_interrupt;
  action.sa_flags = static_cast<int>(SA_RESETHAND) | SA_RESTART;  // the second one finds the default again
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, &before_);
}

Interrupt::~Interrupt() { sigaction(SIGINT, &before_, nullptr); }

const std::atomic<bool>& Interrupt::flag() const { return raised(); }

}  // namespace moesaic
