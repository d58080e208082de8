// What of a network divided between a device and its host comes from the host's memory or its storage, and when.
#pragma once

#include "model/hybrid_description.hpp"
#include "model/layer_writer.hpp"

namespace moesaic {

Operator transfer(const char* label, Bytes bytes, bool to_device, const char* what);

/// Writes copies into a layer. Each returns its last task, or -1 where there is nothing to bring.
class HostCopies {
 public:
  explicit HostCopies(const HybridDescription& description);

  const CopyPath& large() const { return large_; }  ///< of weights, cached keys and values and residual streams
  const CopyPath& small() const { return small_; }  ///< of what belongs to the tokens of the step

  /// Weights of the layer, as early as a buffer is free.
  int weights_ahead(LayerWriter& writer, Bytes bytes) const;
  /// Experts, from the moment that the gate so many layers back has chosen.
  int experts_since(LayerWriter& writer, const char* label, const char* stored_label, Bytes bytes,
                    int layers_back) const;
  /// Reads experts from storage that the gate, which ends with task `routed`, has just chosen.
  int stored_experts(LayerWriter& writer, Bytes weights, int routed) const;
  /// Keys and values to the device, as early as a buffer is free.
  int cache_ahead(LayerWriter& writer, Bytes bytes) const;
  /// What of them is on storage, into the host's memory.
  int stored_cache(LayerWriter& writer, Bytes bytes) const;

 private:
  CopyPath large_, small_;
  double weights_on_storage_, cache_on_storage_;
  int buffered_layers_;
  int buffers_;  ///< one where copies take the device's turn: then nothing comes ahead
};

}  // namespace moesaic
