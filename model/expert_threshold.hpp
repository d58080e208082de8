// Experts on the host or copied to the device: how many tokens make the copy worth it, at
// attained rates.
#pragma once

#include "model/expert_split.hpp"
#include "model/machine_view.hpp"

namespace moesaic {

/// Most tokens with which an expert takes no longer on the host than its weights, of `expert` bytes, take on the link
/// and its tokens then on the device (Fiddler, arXiv:2402.07033).
double cheaper_up_to(const MachineView& view, const GroupedGemm& experts, Bytes expert);

/// Experts that are copied before their layer's gate has chosen.
struct Foreseen {
  double accuracy = 0;  ///< share of the chosen ones
  double extra = 0;     ///< copied besides, per chosen one
  Seconds window{};     ///< of the link in each layer, before the gate has chosen
  Seconds streamed{};   ///< of the link in each layer, for what comes whoever computes the experts
  Seconds beside{};     ///< of the device behind the gate, before it computes what is copied in
};
/// Of `part` on the device, at least what a kernel takes there.
Seconds device_seconds(const MachineView& view, const GroupedGemm& experts, const ExpertPart& part);
/// The same for all experts of `missing` together: those with the fewest tokens on the host, so many that the later of
/// host and device is as early as can be (HybriMoE, arXiv:2504.05897 Eq 2): none or all of them where that is earlier.
LoadSplit balanced(const MachineView& view, const GroupedGemm& experts, const ExpertPart& missing, Bytes expert,
                   const Foreseen& foreseen);

}  // namespace moesaic
