#include "model/placements/host_copies.hpp"

namespace moesaic {

Operator transfer(const char* label, Bytes bytes, bool to_device, const char* what) {
  return {OperatorKind::transfer, label, Transfer{bytes, to_device, what}};
}

HostCopies::HostCopies(const HybridDescription& description)
    : large_{.staged = description.copies != CopyKind::pinned,
             .pageable = description.copies == CopyKind::pageable,
             .in_turn = description.copies == CopyKind::pageable || description.overlap == Overlapping::none},
      small_{.staged = false, .pageable = false, .in_turn = description.overlap != Overlapping::all},
      weights_on_storage_(description.weights_on_storage),
      cache_on_storage_(description.cache_on_storage),
      buffered_layers_(description.buffered_layers),
      buffers_(large_.in_turn ? 1 : description.buffered_layers) {}

int HostCopies::weights_ahead(LayerWriter& writer, Bytes bytes) const {
  const Bytes stored = bytes * weights_on_storage_;
  const int read = stored > Bytes{0} ? writer.read_storage(transfer("weights from storage", stored, true, "weights"),
                                                           stored, buffered_layers_)
                                     : -1;
  const int copy = writer.prefetch(transfer("weights in", bytes, true, "weights"), bytes, buffers_, large_);
  writer.wait(copy, read);
  return copy;
}

int HostCopies::experts_since(LayerWriter& writer, const char* label, const char* stored_label, Bytes bytes,
                              int layers_back) const {
  const Bytes stored = bytes * weights_on_storage_;
  const int read =
      stored > Bytes{0} ? writer.write_storage(transfer(stored_label, stored, true, "weights"), stored) : -1;
  const int copy = writer.copy(transfer(label, bytes, true, "weights"), bytes, true, large_);
  writer.task(copy).queue = large_.in_turn ? Queue::device : Queue::prefetch;
  writer.wait_for(read >= 0 ? read : copy, Marker::routed, layers_back);
  writer.wait(copy, read);
  return copy;
}

int HostCopies::stored_experts(LayerWriter& writer, Bytes weights, int routed) const {
  const Bytes stored = weights * weights_on_storage_;
  if (stored <= Bytes{0}) {
    return -1;
  }
  const int read = writer.write_storage(transfer("experts from storage", stored, true, "weights"), stored);
  writer.wait(read, routed);
  return read;
}

int HostCopies::cache_ahead(LayerWriter& writer, Bytes bytes) const {
  if (bytes <= Bytes{0}) {
    return -1;
  }
  const int read = stored_cache(writer, bytes);
  const int copy =
      writer.prefetch(transfer("cache in", bytes, true, "cached keys and values"), bytes, buffers_, large_);
  writer.wait(copy, read);
  return copy;
}

int HostCopies::stored_cache(LayerWriter& writer, Bytes bytes) const {
  const Bytes stored = bytes * cache_on_storage_;
  return stored > Bytes{0} ? writer.read_storage(transfer("cache from storage", stored, true, "cached keys and values"),
                                                 stored, buffered_layers_)
                           : -1;
}

}  // namespace moesaic
