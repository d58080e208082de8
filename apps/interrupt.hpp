// Ctrl-C as a wish to stop, for commands that have something to save.
#pragma once

#include <atomic>
#include <csignal>

namespace moesaic {

/// While it lives, the first Ctrl-C (SIGINT) raises the flag instead of ending the program; a second one ends it. At
/// most one at a time.
class Interrupt {
 public:
  Interrupt();
  ~Interrupt();
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;
  const std::atomic<bool>& flag() const;

 private:
  struct sigaction before_ {};
};

}  // namespace moesaic
