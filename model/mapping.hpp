// How one replica of a model is spread over devices: attention and experts are mapped separately.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "hw/machine.hpp"
#include "model/architecture.hpp"

namespace moesaic {

/// Ranks that run a collective together: `ranks` of them, each `stride` further.
struct RankGroup {
  int ranks = 1;
  int stride = 1;
  bool operator==(const RankGroup&) const = default;
};

/// A pipeline stage has stage_devices() devices, one replica `pipeline` stages. Attention: `tensor`-way heads,
/// `context` parts of every sequence, `data` groups of different sequences. Experts, mapped separately (Parallel
/// Folding, 2504.14960): `expert` groups of whole experts, each cut expert_tensor() ways, and expert_data() copies of
/// all that. Dense feed-forward and lm_head follow attention's tensor parallelism. Neighbouring ranks share, first to
/// last: tensor, context, data, pipeline; of experts: expert tensor, expert, expert data, pipeline.
struct Mapping {
  int tensor = 1;
  int data = 1;
  int expert = 1;
  int pipeline = 1;
  int context = 1;
  int expert_slices = 0;     ///< expert_tensor() as given; 0: whatever makes one copy of the experts a stage
  int virtual_stages = 1;    ///< runs of layers that each pipeline stage holds (interleaving)
  bool sequence = false;     ///< between blocks, tensor-parallel ranks hold parts of the tokens (2205.05198)
  bool context_ring = true;  ///< keys and values of context parallelism go around a ring beside the scores
                             ///< (2310.01889); else they are gathered first
  int redundant = 0;         ///< more copies of experts, of those with the most load; together they fill the groups

  int stage_devices() const { return tensor * context * data; }
  int devices() const { return stage_devices() * pipeline; }
  int expert_tensor() const { return expert_slices > 0 ? expert_slices : stage_devices() / expert; }
  int expert_data() const { return stage_devices() / (expert * expert_tensor()); }
  /// Whether ranks of an expert group hold different tokens, which an exchange brings to their experts; else all hold
  /// the same ones.
  bool spreads_tokens() const { return sequence || data > 1 || context > 1; }
  RankGroup tensor_group() const { return {tensor, 1}; }
  RankGroup context_group() const { return {context, tensor}; }
  RankGroup data_group() const { return {data, tensor * context}; }
  /// Ranks with the same weights of attention: their gradients are summed.
  RankGroup replica_group() const { return {data * context, tensor}; }
  RankGroup expert_tensor_group() const { return {expert_tensor(), 1}; }
  RankGroup expert_group() const { return {expert, expert_tensor()}; }
  RankGroup expert_data_group() const { return {expert_data(), expert * expert_tensor()}; }
  RankGroup pipeline_group() const { return {pipeline, stage_devices()}; }
  bool operator==(const Mapping&) const = default;
};

/// Which degree takes the devices that the others leave: tensor parallelism where one answer is served, data
/// parallelism in training.
enum class FreeDegree : std::uint8_t { tensor, data };

/// Reads "tp=8,ep=8,dp=1" with the keys tp, cp, pp, dp, ep, etp, red, vpp, and sp and ring (0 or 1). Missing ones are
/// 1, but the free degree, if `devices` are given. Throws UserError naming the nearest key, a product tp x cp x pp x dp
/// unequal to `devices` (when given) with the nearest mapping that has it, and degrees that divide nothing.
Mapping parse_mapping(std::string_view text, std::optional<int> devices, FreeDegree free = FreeDegree::tensor);
/// As parse_mapping takes it; degrees of one are left out but tp, ep and dp.
std::string to_text(const Mapping& mapping);

/// The mapping used when none is given: tp = devices where the heads divide, else the largest dividing tp with dp for
/// the rest; experts cut like attention when dp = 1, else spread (ep = devices).
Mapping default_mapping(const Architecture& architecture, int devices);

/// Throws UserError when the mapping contradicts the architecture: tp does not divide the heads, ep does not divide the
/// experts (redundant ones included), or experts' width; there are more stages than layers; or the machine has fewer
/// devices. The message says what would work.
void check_mapping(const Architecture& architecture, const Mapping& mapping, const Machine& machine);
/// Whether parse_mapping() and check_mapping() would take it, without their messages: for loops over many mappings.
bool mapping_works(const Architecture& architecture, const Mapping& mapping, const Machine& machine);
/// The part of that which depends on `tensor` alone: heads and dense feed-forward widths divide.
bool tensor_works(const Architecture& architecture, int tensor);

}  // namespace moesaic
