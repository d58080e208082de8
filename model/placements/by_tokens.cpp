// Steps of few tokens one way and of many another: engines that compute few tokens' experts beside their memory and
// bring whole layers to the device for long prompts (KTransformers' layer-wise prefill, llama.cpp's large products).
#include <algorithm>

#include "model/placement.hpp"

namespace moesaic {
namespace {

class ByTokens final : public Placement {
 public:
  ByTokens(PlacementPointer few, PlacementPointer many, double above)
      : few_(std::move(few)), many_(std::move(many)), above_(above) {}

  std::string_view name() const override { return few_->name(); }
  int batches() const override { return few_->batches(); }
  int device_layers() const override { return few_->device_layers(); }
  std::string_view engine() const override { return few_->engine(); }
  const HybridDescription* hybrid() const override { return few_->hybrid(); }

  /// Room for either way: what is where does not differ.
  MemoryHomes homes() const override {
    MemoryHomes homes = few_->homes();
    const MemoryHomes other = many_->homes();
    homes.buffered_layers = std::max(homes.buffered_layers, other.buffered_layers);
    homes.streams_experts = homes.streams_experts || other.streams_experts;
    homes.fetched_layers = std::max(homes.fetched_layers, other.fetched_layers);
    homes.prefetch_extra = std::max(homes.prefetch_extra, other.prefetch_extra);
    return homes;
  }

  void check(const Machine& machine) const override {
    few_->check(machine);
    many_->check(machine);
  }
  void begin_layer(LayerWriter& writer, const LayerWeights& weights) const override {
    of(writer).begin_layer(writer, weights);
  }
  void place(LayerWriter& writer, const Operator& op, const Work& work) const override {
    of(writer).place(writer, op, work);
  }
  void end_batch(LayerWriter& writer) const override { of(writer).end_batch(writer); }

 private:
  const Placement& of(const LayerWriter& writer) const { return writer.step_tokens() > above_ ? *many_ : *few_; }

  PlacementPointer few_;
  PlacementPointer many_;
  double above_;
};

}  // namespace

PlacementPointer by_tokens_placement(PlacementPointer few, PlacementPointer many, double above) {
  return std::make_shared<ByTokens>(std::move(few), std::move(many), above);
}

}  // namespace moesaic
