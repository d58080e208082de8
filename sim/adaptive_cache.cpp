#include "sim/adaptive_cache.hpp"

#include <algorithm>
#include <array>
#include <cstddef>

#include "sim/eviction_order.hpp"

namespace moesaic {
namespace {

class AdaptiveCache final : public ExpertCache {
 public:
  AdaptiveCache(const ExpertRequests& requests, std::int64_t capacity)
      : ExpertCache(requests),
        capacity_(static_cast<double>(capacity)),
        lists_{EvictionOrder(held_.size()), EvictionOrder(held_.size()), EvictionOrder(held_.size()),
               EvictionOrder(held_.size())},
        last_row_(held_.size(), SIZE_MAX) {}

  std::int64_t serve() override {
    std::int64_t hits = 0;
    missing_.clear();
    for (const std::int32_t expert : requests_.row(row_)) {
      last_row_[static_cast<std::size_t>(expert)] = row_;
      if (holds(expert)) {
        ++hits;
        move(expert, lists_[once].holds(expert) ? once : often, often);
      } else {
        missing_.push_back(expert);
      }
    }
    for (const std::int32_t expert : missing_) {
      fetch(expert);
    }
    ++row_;
    return hits;
  }

  void admit(std::int32_t expert) override {
    if (!holds(expert)) {
      fetch(expert);
    }
  }

 private:
  enum List : std::size_t { once, often, once_ghosts, often_ghosts };

  std::size_t size(List list) const { return lists_[list].size(); }
  double count(List list) const { return static_cast<double>(size(list)); }

  void push(std::int32_t expert, List to) {
    lists_[to].push(expert, static_cast<double>(++time_));
    held_[static_cast<std::size_t>(expert)] = to == once || to == often ? 1 : 0;
  }
  void move(std::int32_t expert, List from, List to) {
    lists_[from].remove(expert);
    push(expert, to);
  }
  void drop_least(List list) {
    const std::int32_t expert = lists_[list].least();
    lists_[list].remove(expert);
    held_[static_cast<std::size_t>(expert)] = 0;
  }
  bool can_lose(List list) const {
    return size(list) > 0 && last_row_[static_cast<std::size_t>(lists_[list].least())] != row_;
  }

  /// REPLACE of the paper, but for the row's own experts.
  void replace(bool was_often_ghost) {
    if (count(once) + count(often) < capacity_) {
      return;
    }
    const bool from_once = size(once) > 0 && (count(once) > share_ || (was_often_ghost && count(once) == share_));
    List from = from_once || size(often) == 0 ? once : often;
    const List other = from == once ? often : once;
    from = !can_lose(from) && can_lose(other) ? other : from;
    move(lists_[from].least(), from, from == once ? once_ghosts : often_ghosts);
  }

  void fetch(std::int32_t expert) {
    if (lists_[once_ghosts].holds(expert)) {
      share_ = std::min(capacity_, share_ + std::max(1.0, count(often_ghosts) / count(once_ghosts)));
      replace(false);
      move(expert, once_ghosts, often);
    } else if (lists_[often_ghosts].holds(expert)) {
      share_ = std::max(0.0, share_ - std::max(1.0, count(once_ghosts) / count(often_ghosts)));
      replace(true);
      move(expert, often_ghosts, often);
    } else {
      if (count(once) + count(once_ghosts) >= capacity_) {
        if (size(once_ghosts) > 0) {
          drop_least(once_ghosts);
          replace(false);
        } else if (!can_lose(once) && can_lose(often)) {
          replace_often();
        } else {
          drop_least(once);
        }
      } else {
        if (count(once) + count(often) + count(once_ghosts) + count(often_ghosts) >= 2 * capacity_) {
          drop_least(often_ghosts);
        }
        replace(false);
      }
      push(expert, once);
    }
  }
  void replace_often() { move(lists_[often].least(), often, often_ghosts); }

  double capacity_;
  double share_ = 0;  // of the capacity that those used once aim at: p of the paper
  std::array<EvictionOrder, 4> lists_;
  std::vector<std::size_t> last_row_;
  std::vector<std::int32_t> missing_;
  std::int64_t time_ = 0;
};

}  // namespace

std::unique_ptr<ExpertCache> make_adaptive_cache(const ExpertRequests& requests, std::int64_t capacity) {
  return std::make_unique<AdaptiveCache>(requests, capacity);
}

}  // namespace moesaic
