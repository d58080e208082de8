#include "hw/topologies/clos.hpp"

#include <utility>
#include <vector>

namespace moesaic {
namespace {

constexpr ChannelLabels kLeafToSpine = network_labels(0), kSpineToCore = network_labels(1);

// One plane; its leaves in order.
std::vector<VertexId> add_plane(GraphBuilder& builder, const ClosShape& shape, int plane) {
  const Link& trunk = builder.description().fabric.trunk;
  std::vector<VertexId> leaves;
  std::vector<std::vector<VertexId>> spines(shape.pods);
  for (std::int64_t i = 0; i < shape.leaves; ++i) {
    leaves.push_back(builder.add_switch(1, shape.rails > 1 ? static_cast<int>(i % shape.rails) : plane));
  }
  for (std::vector<VertexId>& pod : spines) {
    for (std::int64_t i = 0; i < shape.spines; ++i) {
      pod.push_back(builder.add_switch(2, plane));
    }
  }
  for (std::int64_t i = 0; i < shape.leaves; ++i) {
    for (const VertexId spine : spines[i / shape.leaves_per_pod]) {
      for (std::int64_t parallel = 0; parallel < shape.spine_links; ++parallel) {
        builder.link(leaves[i], spine, trunk, LinkRole::local, kLeafToSpine);
      }
    }
  }
  for (std::int64_t place = 0; place < shape.spines; ++place) {
    for (std::int64_t i = 0; i < shape.cores; ++i) {
      const VertexId core = builder.add_switch(3, plane);
      for (const std::vector<VertexId>& pod : spines) {
        for (std::int64_t parallel = 0; parallel < shape.core_links; ++parallel) {
          builder.link(pod[place], core, trunk, LinkRole::global, kSpineToCore);
        }
      }
    }
  }
  return leaves;
}

}  // namespace

std::int64_t ClosShape::leaf_of(std::int64_t node, std::int64_t adapter, std::int64_t adapters) const {
  if (planes > 1) {
    return node / down;
  }
  return rails > 1 ? node / down * rails + adapter : (node * adapters + adapter) / down;
}

bool ClosShape::symmetric(std::int64_t adapters) const {
  const bool one_each = planes > 1 || rails > 1;  // of a node's adapters on one leaf
  const bool leaves_full = leaves == rails || (one_each ? nodes * rails == leaves * down
                                                        : nodes * adapters == leaves * down && down % adapters == 0);
  const bool pods_full = pods == 1 || (leaves % leaves_per_pod == 0 && leaves_per_pod % rails == 0);
  return leaves_full && pods_full;
}

Topology build_clos(const TopologyDescription& description, const ClosShape& shape, std::string kind) {
  GraphBuilder builder(description, static_cast<int>(shape.nodes));
  const int adapters = description.node.adapters;
  for (int plane = 0; plane < shape.planes; ++plane) {
    const std::vector<VertexId> leaves = add_plane(builder, shape, shape.planes > 1 ? plane : -1);
    for (int node = 0; node < builder.nodes(); ++node) {
      for (int a = 0; a < adapters; ++a) {
        if (shape.planes == 1 || a == plane) {
          const VertexId leaf = leaves[shape.leaf_of(node, a, adapters)];
          builder.attach(node, a, leaf, shape.planes > 1 ? plane : shape.rails > 1 ? a : -1);
        }
      }
    }
  }
  return std::move(builder).finish(std::move(kind), shape.symmetric(adapters));
}

}  // namespace moesaic
