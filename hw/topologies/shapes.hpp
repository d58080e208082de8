// Private to hw: the whole numbers of a network, worked out from its description, before any graph is made.
#pragma once

#include <cstdint>
#include <string>

#include "base/error.hpp"
#include "hw/topology_description.hpp"

namespace moesaic {

/// Figures that contradict each other; `path` is the one to blame, "fabric.ports".
class TopologyMistake : public UserError {
 public:
  TopologyMistake(const TopologyDescription& description, std::string where, const std::string& what);
  const std::string path, message;
};

/// Throws where a node, or what every network needs, is not described in full.
void check_description(const TopologyDescription& description);

/// The nodes asked for, or `room` where that is left open. Throws if they are more, or none.
std::int64_t nodes_within(const TopologyDescription& description, std::int64_t room);

/// Folded Clos networks: leaves under spines, and of three levels pods of those under cores. `planes` equal ones.
struct ClosShape {
  std::int64_t nodes = 0;
  std::int64_t planes = 1;
  std::int64_t rails = 1;           ///< leaves that the adapters of one node are spread over
  std::int64_t down = 0;            ///< endpoints that a leaf has room for
  std::int64_t leaves = 0;          ///< of one plane, all pods
  std::int64_t leaves_per_pod = 0;  ///< the last pod may have fewer
  std::int64_t pods = 1;
  std::int64_t spines = 0;       ///< of one pod
  std::int64_t spine_links = 1;  ///< between one leaf and one spine
  std::int64_t cores = 0;        ///< joined to one spine, and to the spines of its place in the other pods
  std::int64_t core_links = 0;   ///< between one spine and one core

  /// Of one plane, by the place of the adapter in its node.
  std::int64_t leaf_of(std::int64_t node, std::int64_t adapter, std::int64_t adapters) const;
  /// Every leaf has equally many endpoints, every pod equally many leaves, and no node is spread over leaves but by
  /// its rails.
  bool symmetric(std::int64_t adapters) const;
};
ClosShape leaf_spine_shape(const TopologyDescription& description);
ClosShape fat_tree_shape(const TopologyDescription& description);

struct DragonflyShape {
  std::int64_t nodes = 0;
  std::int64_t endpoints = 0;  ///< p, of one router
  std::int64_t routers = 0;    ///< a, of one group
  std::int64_t globals = 0;    ///< h, of one router
  std::int64_t groups = 0;     ///< g
  /// Global links that start at one group; one fewer than a h where a h and g are both odd.
  std::int64_t used_globals() const;
};
DragonflyShape dragonfly_shape(const TopologyDescription& description);

struct SlimFlyShape {
  std::int64_t nodes = 0;
  std::int64_t order = 0;      ///< q = 4 w + delta
  int delta = 0;               ///< -1, 0 or 1
  std::int64_t degree = 0;     ///< links of one router to others, (3 q - delta) / 2
  std::int64_t endpoints = 0;  ///< of one router
};
SlimFlyShape slim_fly_shape(const TopologyDescription& description);

struct TorusShape {
  std::int64_t nodes = 0;
  std::int64_t routers = 1;
  std::int64_t links = 0;
};
TorusShape torus_shape(const TopologyDescription& description);

}  // namespace moesaic
