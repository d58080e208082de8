#include "base/error.hpp"
#include "hw/topology_description.hpp"

namespace moesaic {

std::string_view to_text(NodeKind kind) {
  switch (kind) {
    case NodeKind::single:
      return "single";
    case NodeKind::switched:
      return "switched";
    case NodeKind::mesh:
      return "mesh";
    case NodeKind::pcie_tree:
      return "pcie-tree";
  }
  MOESAIC_ASSERT(false);
}

std::string_view to_text(FabricKind kind) {
  switch (kind) {
    case FabricKind::none:
      return "none";
    case FabricKind::leaf_spine:
      return "leaf-spine";
    case FabricKind::fat_tree:
      return "fat-tree";
    case FabricKind::multi_plane_fat_tree:
      return "multi-plane-fat-tree";
    case FabricKind::multi_rail_fat_tree:
      return "multi-rail-fat-tree";
    case FabricKind::dragonfly:
      return "dragonfly";
    case FabricKind::slim_fly:
      return "slim-fly";
    case FabricKind::torus:
      return "torus";
    case FabricKind::graph:
      return "graph";
  }
  MOESAIC_ASSERT(false);
}

}  // namespace moesaic
