// Numbers by priority, the least first: a binary heap that knows where each number lies.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace moesaic {

/// Of numbers in [0, slots), each at most once. Equal priorities: the smaller number first, so that nothing depends on
/// how the heap came about.
class EvictionOrder {
 public:
  explicit EvictionOrder(std::size_t slots) : place_(slots, kAbsent) {}

  std::size_t size() const { return heap_.size(); }
  bool holds(std::int32_t number) const { return place_[static_cast<std::size_t>(number)] != kAbsent; }
  std::int32_t least() const { return heap_.front().number; }
  /// Any of them by its place in the heap.
  std::int32_t at(std::size_t place) const { return heap_[place].number; }

  void push(std::int32_t number, double priority) {
    heap_.push_back({priority, number});
    place_[static_cast<std::size_t>(number)] = heap_.size() - 1;
    up(heap_.size() - 1);
  }
  void remove(std::int32_t number) {
    const std::size_t place = place_[static_cast<std::size_t>(number)];
    place_[static_cast<std::size_t>(number)] = kAbsent;
    const Entry last = heap_.back();
    heap_.pop_back();
    if (place < heap_.size()) {
      put(place, last);
      up(place);
      down(place_[static_cast<std::size_t>(last.number)]);
    }
  }
  void change(std::int32_t number, double priority) {
    const std::size_t place = place_[static_cast<std::size_t>(number)];
    heap_[place].priority = priority;
    up(place);
    down(place_[static_cast<std::size_t>(number)]);
  }

 private:
  struct Entry {
    double priority;
    std::int32_t number;
    bool operator<(const Entry& other) const {
      return priority < other.priority || (priority == other.priority && number < other.number);
    }
  };
  static constexpr std::size_t kAbsent = SIZE_MAX;

  void put(std::size_t place, const Entry& entry) {
    heap_[place] = entry;
    place_[static_cast<std::size_t>(entry.number)] = place;
  }
  void up(std::size_t place) {
    const Entry entry = heap_[place];
    for (; place > 0 && entry < heap_[(place - 1) / 2]; place = (place - 1) / 2) {
      put(place, heap_[(place - 1) / 2]);
    }
    put(place, entry);
  }
  void down(std::size_t place) {
    const Entry entry = heap_[place];
    for (std::size_t child = 2 * place + 1; child < heap_.size(); child = 2 * place + 1) {
      child += child + 1 < heap_.size() && heap_[child + 1] < heap_[child] ? 1 : 0;
      if (!(heap_[child] < entry)) {
        break;
      }
      put(place, heap_[child]);
      place = child;
    }
    put(place, entry);
  }

  std::vector<Entry> heap_;
  std::vector<std::size_t> place_;
};

}  // namespace moesaic
