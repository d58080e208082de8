#include "hw/routing.hpp"

#include <fmt/format.h>

#include <string>

#include "base/error.hpp"
#include "base/nearest.hpp"
#include "hw/routing/router.hpp"

namespace moesaic {
namespace {

constexpr RoutePolicy kPolicies[] = {RoutePolicy::shortest, RoutePolicy::ecmp, RoutePolicy::spray, RoutePolicy::split,
                                     RoutePolicy::adaptive};

void check(const Topology& topology, const Demanded& flow) {
  for (const std::uint32_t device : {flow.source, flow.destination}) {
    if (device >= topology.devices) {
      throw UserError(fmt::format("topology '{}': there is no device {}; the last of its {} devices is {}",
                                  printable(topology.name), device, topology.devices, topology.devices - 1));
    }
  }
}

}  // namespace

RoutePolicy parse_route_policy(std::string_view text) {
  std::vector<std::string> names;
  for (const RoutePolicy policy : kPolicies) {
    names.emplace_back(to_text(policy));
    if (names.back() == text) {
      return policy;
    }
  }
  throw UserError(fmt::format("unknown routing '{}'{}", printable(text), suggest(text, names)));
}

std::string_view to_text(RoutePolicy policy) {
  switch (policy) {
    case RoutePolicy::shortest:
      return "shortest";
    case RoutePolicy::ecmp:
      return "ecmp";
    case RoutePolicy::spray:
      return "spray";
    case RoutePolicy::split:
      return "split";
    case RoutePolicy::adaptive:
      return "adaptive";
  }
  MOESAIC_ASSERT(false);
}

Router::Router(const Topology& routed, const RouteChoice& how, std::span<const Demanded> what)
    : topology(routed),
      choice(how),
      flows(what),
      whole(routed),
      network(routed, whole),
      inside(routed, whole, how.policy == RoutePolicy::spray || how.policy == RoutePolicy::adaptive, pieces),
      ways(routed, how.forward_in_node, whole, network, inside, pieces) {
  for (const Demanded& flow : flows) {
    check(topology, flow);
  }
}

std::span<const Way> Router::refuse(const Demanded& flow) const {
  const auto named = [&](std::uint32_t device) {
    return fmt::format("device {} (node {})", device, topology.vertices[device].node);
  };
  throw UserError(fmt::format("topology '{}': there is no way from {} to {}{}", printable(topology.name),
                              named(flow.source), named(flow.destination),
                              choice.forward_in_node ? "" : " without forwarding inside the node"));
}

Routes route_flows(const Topology& topology, const RouteChoice& choice, std::span<const Demanded> flows) {
  Router router(topology, choice, flows);
  return choice.policy == RoutePolicy::spray || choice.policy == RoutePolicy::adaptive ? spread_flows(router)
                                                                                       : route_one_by_one(router);
}

}  // namespace moesaic
