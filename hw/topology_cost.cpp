#include "hw/topology_cost.hpp"

#include "base/catalog.hpp"

namespace moesaic {

TopologyPrices read_topology_prices(const Config& config) {
  constexpr std::string_view kNotes[] = {"kind", "description", "sources"};
  config.ignore(kNotes);
  TopologyPrices prices{config.at("name").string(), config.at("switch").quantity<Dollars>(),
                        config.at("endpoint_link").quantity<Dollars>(), config.at("local_link").quantity<Dollars>(),
                        config.at("global_link").quantity<Dollars>()};
  config.reject_unknown();
  return prices;
}

TopologyPrices load_topology_prices(const std::string& name_or_file) {
  return read_topology_prices(Config::load(find_in_catalog("prices", "price list", name_or_file).file));
}

Dollars network_cost(const TopologyCounts& counts, const TopologyPrices& prices) {
  return prices.switch_ * static_cast<double>(counts.switches) +
         prices.endpoint_link * static_cast<double>(counts.endpoints) +
         prices.local_link * static_cast<double>(counts.local_links) +
         prices.global_link * static_cast<double>(counts.global_links);
}

}  // namespace moesaic
