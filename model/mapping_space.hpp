// Every mapping of a number of devices that a network and a machine allow.
#pragma once

#include <vector>

#include "model/mapping.hpp"

namespace moesaic {

/// Which degrees are tried besides tensor, data and expert parallelism and expert slices; the others stay at one.
struct MappingSpace {
  int devices = 1;     ///< for all copies of the replica together
  bool copies = true;  ///< smaller replicas too, whose copies fill the devices
  bool context = true;
  bool pipeline = true;
  bool sequence = true;         ///< with and without sequence parallelism
  bool only_sequence = false;   ///< with it wherever tensor > 1
  int most_virtual_stages = 1;  ///< powers of two; more than one only where there is a pipeline
  /// Serving: leave out replicas whose data-parallel groups share nothing, neither weights nor experts: a smaller
  /// replica's copies are the same. Of training, where gradients join them, none are left out.
  bool separate = true;
};

/// All mappings that mapping_works() takes whose replica has a divisor of `space.devices`: equal copies of it fill the
/// devices, node after node, none on parts of nodes that others start. Expert slices are left to their default where
/// that is what they are. No mapping is listed twice. In a fixed order: smaller replicas first, then more tensor,
/// context and pipeline parallelism, then more expert groups, then more slices.
std::vector<Mapping> list_mappings(const Architecture& architecture, const Machine& machine, const MappingSpace& space);

}  // namespace moesaic
