#include "model/training.hpp"

#include <array>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "base/nearest.hpp"

namespace moesaic {
namespace {

constexpr std::array<std::string_view, 3> kRecompute = {"none", "selective", "full"};

}  // namespace

Recompute parse_recompute(std::string_view text) {
  for (std::size_t i = 0; i < kRecompute.size(); ++i) {
    if (kRecompute[i] == text) {
      return static_cast<Recompute>(i);
    }
  }
  throw UserError("--recompute: unknown choice '" + printable(text) + "'" +
                  suggest(text, std::vector<std::string>(kRecompute.begin(), kRecompute.end())));
}

ZeroStage parse_zero(std::string_view text) {
  if (text.size() == 1 && text[0] >= '0' && text[0] <= '3') {
    return static_cast<ZeroStage>(text[0] - '0');
  }
  throw UserError("--zero: '" + printable(text) + "' is not a stage of ZeRO, 0 to 3");
}

std::string_view name(Recompute recompute) { return kRecompute[static_cast<std::size_t>(recompute)]; }

}  // namespace moesaic
