// The seam where systems differ: a placement turns operators into tasks. Where weights, cache and computation live and
// what moves when. Each placement is one file in model/placements/ and one line in placement.cpp.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "model/layer_writer.hpp"
#include "model/memory.hpp"

namespace moesaic {

struct HybridDescription;
struct NearMemoryDescription;

class Placement {
 public:
  virtual ~Placement() = default;
  virtual std::string_view name() const = 0;
  virtual MemoryHomes homes() const = 0;
  /// Whether it can write a layer for several batches that take turns.
  virtual bool several_batches() const { return false; }
  /// Batches that a step is divided into, for what runs in pipelines of its own making; 1: whole.
  virtual int batches() const { return 1; }
  /// The first layers of the network that are wholly on the device.
  virtual int device_layers() const { return 0; }
  /// Of configs/software: what runs it where nothing else is said; empty: none.
  virtual std::string_view engine() const { return {}; }
  /// What it was made of, where it divides a network between a device and its host; else null.
  virtual const HybridDescription* hybrid() const { return nullptr; }
  /// Throws UserError when the machine lacks what the placement needs (a host, a second unit).
  virtual void check(const Machine& machine) const = 0;
  /// Called before a layer's operators with the bytes of its weights on this rank (zero for the input and output parts,
  /// whose tables stay on the device), once for all batches.
  virtual void begin_layer(LayerWriter& writer, const LayerWeights& weights) const;
  /// Of batches behind the first one that are equal, the first is placed and the others are copies of it.
  virtual void place(LayerWriter& writer, const Operator& op, const Work& work) const = 0;
  /// Called after a layer's operators of one batch.
  virtual void end_batch(LayerWriter& writer) const;
};

using PlacementPointer = std::shared_ptr<const Placement>;

/// A registered placement by name, or one described in configs/placements or in a file; `sets`: "PATH=VALUE" changes of
/// the description. Throws UserError with the nearest name.
PlacementPointer make_placement(const std::string& name, const std::vector<std::string>& sets = {});
struct PlacementSummary {
  std::string name;
  std::string description;
};
std::vector<PlacementSummary> list_placements();

/// One function per file in model/placements/.
PlacementPointer resident_placement();  ///< everything on the device's main unit and memory
/// Whatever of weights, cache and computation is not on the device, as described (model/hybrid_description.hpp).
PlacementPointer hybrid_placement(const HybridDescription& description);
/// A processor and a unit beside the memory, as described (model/near_memory_description.hpp).
PlacementPointer near_memory_placement(const NearMemoryDescription& description);
/// Steps with more than `above` tokens of a rank as `many` places them, the others as `few`. Both keep the same on the
/// device and divide steps into as many batches.
PlacementPointer by_tokens_placement(PlacementPointer few, PlacementPointer many, double above);

}  // namespace moesaic
