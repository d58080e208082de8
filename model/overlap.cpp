#include "model/overlap.hpp"

#include <array>
#include <charconv>
#include <vector>

#include "base/error.hpp"
#include "base/nearest.hpp"

namespace moesaic {
namespace {

constexpr std::array<std::string_view, 4> kOverlapNames = {"none", "shared", "two-batch", "chunks"};

}  // namespace

Overlap parse_overlap(std::string_view text) {
  const std::string_view name = text.substr(0, text.find('='));
  for (std::size_t i = 0; i < kOverlapNames.size(); ++i) {
    if (kOverlapNames[i] != name) {
      continue;
    }
    Overlap overlap{static_cast<OverlapKind>(i)};
    if (overlap.kind != OverlapKind::chunks) {
      if (name.size() != text.size()) {
        break;
      }
      return overlap;
    }
    const std::string_view value = text.substr(std::min(text.size(), name.size() + 1));
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), overlap.chunks);
    if (error != std::errc{} || end != value.data() + value.size() || overlap.chunks < 2 ||
        overlap.chunks > kMostChunks) {
      throw UserError("--overlap: '" + printable(text) + "' is not chunks=R with a whole number R from 2 to " +
                      std::to_string(kMostChunks));
    }
    return overlap;
  }
  throw UserError("--overlap: unknown overlap '" + printable(text) + "'" +
                  suggest(name, std::vector<std::string>(kOverlapNames.begin(), kOverlapNames.end())));
}

std::string to_text(const Overlap& overlap) {
  std::string text(kOverlapNames[static_cast<std::size_t>(overlap.kind)]);
  return overlap.kind == OverlapKind::chunks ? text + "=" + std::to_string(overlap.chunks) : text;
}

}  // namespace moesaic
