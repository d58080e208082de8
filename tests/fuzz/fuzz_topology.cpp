// Any bytes are either a topology that can be counted, built (if small), measured and routed, or refused with one line.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "hw/routing.hpp"
#include "hw/topology_counts.hpp"
#include "hw/topology_properties.hpp"

namespace {

using namespace moesaic;

constexpr std::int64_t kSmall = 300;  // parts that can be routed thousands of times a second

void try_topology(std::string_view text) {
  const TopologyDescription description = read_topology(Config::parse(text, "input"));
  const TopologyCounts counts = count_topology(description);
  if (counts.devices < 1 || counts.endpoints < 0 || counts.switches < 0 || counts.links() < 0) {
    std::abort();
  }
  if (counts.devices > kSmall || counts.endpoints > kSmall || counts.switches > kSmall || counts.links() > kSmall) {
    return;
  }
  const Topology topology = build_topology(description);
  topology_properties(topology);
  const std::uint32_t last = topology.devices - 1;
  const std::vector<Demanded> flows = {{0, last, 1}, {last, 0, 2}, {last / 2, last, 1}, {0, last / 2, 0}};
  for (const RoutePolicy policy :
       {RoutePolicy::shortest, RoutePolicy::ecmp, RoutePolicy::spray, RoutePolicy::split, RoutePolicy::adaptive}) {
    if (route_flows(topology, {.policy = policy}, flows).first.size() != flows.size() + 1) {
      std::abort();
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    try_topology({reinterpret_cast<const char*>(data), size});
  } catch (const moesaic::UserError& error) {
    const std::string_view message = error.what();
    if (message.empty() || message.find('\n') != message.npos) {
      std::abort();
    }
  }
  return 0;
}
