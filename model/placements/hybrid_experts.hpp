// Experts of a network divided between a device and its host: those that are missing on the device are copied in or
// computed by the host.
#pragma once

#include "model/expert_split.hpp"
#include "model/hybrid_description.hpp"
#include "model/layer_writer.hpp"
#include "model/placements/host_copies.hpp"

namespace moesaic {

/// On the device, not before this layer's weights are there, and what else the chain still lacks.
int run_on_device(LayerWriter& writer, const Operator& op, const Work& work);
int run_on_host(const HybridDescription& is, LayerWriter& writer, const Operator& op, const Work& work);

/// Writes the experts of a layer that is not wholly on one side. Both arguments must live as long as this.
class HybridExperts {
 public:
  HybridExperts(const HybridDescription& is, const HostCopies& copies) : is_(is), copies_(copies) {}

  /// Of a layer's experts fewer than `buffered_layers` have room for pass through slots.
  bool few_slots(double experts) const;
  /// Share of the streamed experts of a layer that come before it needs them. One slot alone is filled while nothing is
  /// computed from it.
  double ahead_through_slots(double experts) const;
  /// Experts that come ahead, then the others one by one as slots become free.
  void stream(LayerWriter& writer, const Operator& op) const;

  /// By what either way takes in all, not by a number of tokens.
  bool divides() const { return is_.missing == MissingExperts::balanced && !is_.host_tokens; }
  /// Behind what the device computes of every token (shared experts): that need not wait for experts that are copied
  /// in.
  void place_divided(LayerWriter& writer) const;
  /// `routed`: the task behind which they are known.
  void place(LayerWriter& writer, const Operator& op, int routed) const;

 private:
  /// What has come of experts that are copied in.
  struct Fetched {
    int all = -1;           ///< the copy that brings the last one of
    double together = 0;    ///< this share of them; the others
    double one_by_one = 0;  ///< pass through slots: so many
  };

  /// Results of the host's experts do not wait behind weights.
  Queue queue_of_copies() const { return is_.missing == MissingExperts::fetched ? Queue::to_device : Queue::prefetch; }
  /// Experts whose weights arrive, once `routed` and `ahead` have ended, while those before them are computed: the
  /// first is waited for, and the last is computed when all have come. With one slot nothing arrives meanwhile.
  void one_by_one(LayerWriter& writer, const Operator& op, Queue queue, int routed, int ahead) const;
  /// Activations out, experts, results back, beside what the device does. Those that are put off return a layer later.
  void place_on_host(LayerWriter& writer, const Operator& op, const GroupedGemm& all, int routed) const;
  /// Copies the weights of `distinct` experts: those that were foreseen since the gate of an earlier layer, the others
  /// now. Wrong guesses and extra ones take the link's time too.
  Fetched fetch(LayerWriter& writer, double distinct, int routed) const;
  /// Where the host keeps no copy, as many experts leave the device as come; nobody waits for them but the link.
  void copy_back(LayerWriter& writer, double distinct, int routed) const;
  /// Missing experts: light ones are computed on the host, heavy ones copied in.
  LoadSplit on_either_side(LayerWriter& writer, const GroupedGemm& experts, const ResidentSplit& split,
                           int routed) const;

  const HybridDescription& is_;
  const HostCopies& copies_;
};

}  // namespace moesaic
