#include "base/nearest.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <vector>

#include "base/error.hpp"

namespace moesaic {
namespace {

constexpr std::size_t kLongestName = 64;  // longer names are compared by their first bytes only
constexpr std::size_t kMostListed = 24;

std::string lower(std::string_view text) {
  std::string result(text.substr(0, kLongestName));
  std::transform(result.begin(), result.end(), result.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  return result;
}

enum class Against { whole, part };

// Insertions, deletions, substitutions and swaps of neighbours (optimal string alignment) that turn `a` into `b`, or
// into the part of `b` that is nearest.
std::size_t edit_distance(std::string_view a, std::string_view b, Against against) {
  std::vector<std::size_t> before(b.size() + 1), previous(b.size() + 1), current(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) {
    previous[j] = against == Against::whole ? j : 0;
  }
  for (std::size_t i = 1; i <= a.size(); ++i) {
    current[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = previous[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      current[j] = std::min({previous[j] + 1, current[j - 1] + 1, replaced});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        current[j] = std::min(current[j], before[j - 2] + 1);
      }
    }
    std::swap(before, previous);
    std::swap(previous, current);
  }
  return against == Against::whole ? previous[b.size()] : *std::min_element(previous.begin(), previous.end());
}

// At most a third of the letters may differ, and never all of them.
std::size_t tolerance(std::size_t name, std::size_t candidate) {
  const std::size_t longest = std::max(name, candidate);
  return std::min(std::max<std::size_t>(longest / 3, 1), longest - 1);
}

}  // namespace

std::optional<std::string> nearest_name(std::string_view name, std::span<const std::string> candidates) {
  const std::string wanted = lower(name);
  const std::string* best = nullptr;
  std::size_t best_distance = 0;
  const std::string* container = nullptr;
  std::size_t container_distance = 0;
  for (const std::string& candidate : candidates) {
    const std::string offered = lower(candidate);
    if (wanted.empty() || offered.empty()) {
      continue;
    }
    const std::size_t distance = edit_distance(wanted, offered, Against::whole);
    if ((distance == 0 || distance <= tolerance(wanted.size(), offered.size())) &&
        (best == nullptr || distance < best_distance)) {
      best = &candidate;
      best_distance = distance;
    }
    const std::size_t apart = edit_distance(wanted, offered, Against::part);
    const bool shorter = container != nullptr && apart == container_distance && candidate.size() < container->size();
    if (wanted.size() >= 3 && apart <= wanted.size() / 4 &&
        (container == nullptr || apart < container_distance || shorter)) {
      container = &candidate;
      container_distance = apart;
    }
  }
  best = best != nullptr ? best : container;
  return best != nullptr ? std::optional(*best) : std::nullopt;
}

std::string suggest(std::string_view name, std::span<const std::string> candidates) {
  if (const auto nearest = nearest_name(name, candidates)) {
    return fmt::format(" (did you mean '{}'?)", printable(*nearest));
  }
  if (candidates.empty()) {
    return "";
  }
  std::string text = "; allowed: ";
  for (std::size_t i = 0; i < std::min(candidates.size(), kMostListed); ++i) {
    text += (i > 0 ? ", " : "") + printable(candidates[i]);
  }
  return candidates.size() > kMostListed ? text + fmt::format(" and {} more", candidates.size() - kMostListed) : text;
}

}  // namespace moesaic
