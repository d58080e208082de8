// How one replica of a model is spread over devices: attention and experts are mapped separately.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "hw/machine.hpp"
#include "model/architecture.hpp"

namespace moesaic {

/// tensor * data devices make one replica. Attention: `tensor`-way heads, `data` groups of different sequences.
/// Experts: `expert` groups of whole experts, each cut `devices() / expert` ways. Dense feed-forward and lm_head follow
/// attention's tensor parallelism.
struct Mapping {
  int tensor = 1;
  int data = 1;
  int expert = 1;
  int devices() const { return tensor * data; }
  int expert_tensor() const { return devices() / expert; }
  bool operator==(const Mapping&) const = default;
};

/// Reads "tp=8,ep=8,dp=1" (missing keys: dp=1, ep=1, tp=devices/dp). Throws UserError naming the nearest key, a product
/// unequal to `devices` (when given), and the mapping that was probably meant.
Mapping parse_mapping(std::string_view text, std::optional<int> devices);
std::string to_text(const Mapping& mapping);

/// The mapping used when none is given: tp = devices where the heads divide, else the largest dividing tp with dp for
/// the rest; experts cut like attention when dp = 1, else spread (ep = devices).
Mapping default_mapping(const Architecture& architecture, int devices);

/// Throws UserError when the mapping contradicts the architecture: tp does not divide the heads, ep does not divide the
/// experts or experts' width; or the machine has fewer devices. The message says what would work.
void check_mapping(const Architecture& architecture, const Mapping& mapping, const Machine& machine);

}  // namespace moesaic
