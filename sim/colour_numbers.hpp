// Private to sim: colours of flows and channels as small numbers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace moesaic {

using Colour = std::uint64_t;  ///< a hash, so that its low bits serve as a place in a table

/// Numbers colours in the order in which they are first seen.
class ColourNumbers {
 public:
  std::uint32_t operator()(Colour colour) {
    if (colour == last_ && count_ > 0) {
      return last_number_;
    }
    std::size_t at = colour & (slots_.size() - 1);
    while (slots_[at].used && slots_[at].colour != colour) {
      at = (at + 1) & (slots_.size() - 1);
    }
    last_ = colour;
    if (slots_[at].used) {
      return last_number_ = slots_[at].number;
    }
    slots_[at] = {colour, count_, true};
    last_number_ = count_++;
    if (2 * static_cast<std::size_t>(count_) > slots_.size()) {
      grow();
    }
    return last_number_;
  }
  std::uint32_t count() const { return count_; }

 private:
  struct Slot {
    Colour colour = 0;
    std::uint32_t number = 0;
    bool used = false;
  };

  void grow() {
    std::vector<Slot> old(2 * slots_.size());
    old.swap(slots_);
    for (const Slot& slot : old) {
      if (slot.used) {
        std::size_t at = slot.colour & (slots_.size() - 1);
        while (slots_[at].used) {
          at = (at + 1) & (slots_.size() - 1);
        }
        slots_[at] = slot;
      }
    }
  }

  std::vector<Slot> slots_{64};
  std::uint32_t count_ = 0;
  Colour last_ = 0;
  std::uint32_t last_number_ = 0;
};

}  // namespace moesaic
