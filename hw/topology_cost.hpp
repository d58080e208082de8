// What the network of a topology costs to buy, by a list of prices.
#pragma once

#include <string>

#include "base/config.hpp"
#include "hw/topology_counts.hpp"

namespace moesaic {

struct TopologyPrices {
  std::string name;
  Dollars switch_;
  Dollars endpoint_link;  ///< of an adapter to its first switch
  Dollars local_link;     ///< LinkRole::local
  Dollars global_link;    ///< LinkRole::global
};

/// Throws UserError.
TopologyPrices read_topology_prices(const Config& config);
/// A list of configs/prices by name, part of a name, or file. Throws UserError.
TopologyPrices load_topology_prices(const std::string& name_or_file);

/// Of the network only: switches, and links by their role.
Dollars network_cost(const TopologyCounts& counts, const TopologyPrices& prices);

}  // namespace moesaic
