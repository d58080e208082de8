// Topologies from files: what is shipped can be read and built, and mistakes are named.
#include <gtest/gtest.h>

#include <algorithm>

#include "base/catalog.hpp"
#include "hw/topology_cost.hpp"
#include "hw/topology_properties.hpp"
#include "tests/hw/topologies.hpp"
#include "tests/user_error.hpp"

namespace moesaic {
namespace {

class ShippedTopology : public testing::TestWithParam<std::string> {};

TEST_P(ShippedTopology, CanBeReadAndBuilt) {
  const TopologyDescription description = load_topology(GetParam());
  EXPECT_EQ(description.name, GetParam());
  const TopologyCounts counts = count_topology(description);
  EXPECT_GT(counts.devices, 0);
  if (GetParam() == "slim-fly-28") {
    return;  // in numbers only
  }
  const Topology topology = build_topology(description);
  EXPECT_EQ(count_topology(topology).endpoints, counts.endpoints);
  EXPECT_EQ(count_topology(topology).links(), counts.links());
  check_connected(topology);
}

// Hops of NVLink to PCIe, of network from 1 to 4 TB/s a node; messages of 10 us would be a slipped unit.
TEST_P(ShippedTopology, FiguresArePlausible) {
  const TopologyDescription description = load_topology(GetParam());
  for (const Link& link : {description.node.scale_up, description.node.pcie, description.node.socket,
                           description.fabric.endpoint, description.fabric.trunk}) {
    if (link.bandwidth.value > 0) {
      EXPECT_GE(link.bandwidth.value, 10e9);
      EXPECT_LE(link.bandwidth.value, 2e12);
      EXPECT_LE(link.latency.value, 10e-6);
    }
  }
}

std::vector<std::string> shipped() {
  std::vector<std::string> names;
  for (const CatalogEntry& entry : list_catalog("topologies")) {
    names.push_back(entry.name);
  }
  return names;
}

INSTANTIATE_TEST_SUITE_P(Catalog, ShippedTopology, testing::ValuesIn(shipped()), [](const auto& of) {
  std::string name = of.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

std::string mistake(const std::string& text) {
  return user_error([&] { return read_topology(Config::parse(text, "t.json")); });
}

const char* const kWireJson = R"({"bandwidth": "50 GB/s", "latency": "1 us"})";

std::string fat_tree_with(const std::string& more) {
  return R"({"name": "t", "node": {"kind": "single"}, "fabric": {"kind": "fat-tree", "endpoint": )" +
         std::string(kWireJson) + ", " + more + "}}";
}

std::string graph(const std::string& vertices, const std::string& links) {
  return R"({"name": "t", "fabric": {"kind": "graph", "vertices": [)" + vertices + R"(], "links": [)" + links + "]}}";
}

TEST(TopologyRead, NamesMistakes) {
  EXPECT_EQ(mistake(R"({"name": "t", "node": {"kind": "switchd"}})"),
            "t.json: node.kind: unknown kind 'switchd' (did you mean 'switched'?)");
  EXPECT_EQ(mistake(R"({"name": "t", "node": {"kind": "single"}, "fabric": {"kind": "fat_tree"}})"),
            "t.json: fabric.kind: unknown kind 'fat_tree' (did you mean 'fat-tree'?)");
  EXPECT_EQ(mistake(fat_tree_with(R"("ports": 8, "taper": 0.5)")),
            "t.json: fabric.taper: must be at least 1 (bandwidth down over up), found 0.5");
  EXPECT_EQ(mistake(fat_tree_with(R"("ports": 1)")), "t.json: fabric.ports: must be from 2 to 16384, found 1");
  EXPECT_EQ(mistake(fat_tree_with(R"("ports": 8, "level": 3)")),
            "t.json: fabric.level: unknown key 'level' (did you mean 'levels'?)");
  EXPECT_EQ(mistake(R"({"name": "t", "nodes": 33, "node": {"kind": "single"}, "fabric": {"kind": "fat-tree", "ports": 8,
                        "endpoint": )" +
                    std::string(kWireJson) + "}}"),
            "t.json: nodes: 33 nodes are more than the network has room for (32)");
  EXPECT_EQ(mistake(R"({"name": "t", "nodes": 2, "node": {"kind": "single"}})"),
            "t.json: nodes: 2 nodes need a fabric that joins them");
  EXPECT_EQ(mistake(R"({"name": "t", "node": {"kind": "single"}, "fabric": {"kind": "torus", "dimensions": [4],
                        "endpoint": {"bandwidth": "0 GB/s"}}})"),
            "t.json: fabric.endpoint.bandwidth: must be greater than zero, found \"0 GB/s\"");
  EXPECT_EQ(mistake(R"({"name": "t", "node": {"kind": "single"}, "fabric": {"kind": "leaf-spine", "leaves": 2,
                        "spines": 2, "endpoint": )" +
                    std::string(kWireJson) + "}}"),
            "t.json: nodes: how many nodes there are must be given, or the ports of a switch");
}

// The largest figures are either counted or refused, and never overflow.
TEST(TopologyRead, LargestFigures) {
  EXPECT_EQ(mistake(R"({"name": "t", "node": {"kind": "single"}, "fabric": {"kind": "dragonfly", "group_routers": 16384,
                        "router_endpoints": 16384, "router_globals": 16384, "endpoint": )" +
                    std::string(kWireJson) + "}}"),
            "t.json: fabric: groups: 268435457 of them are too many; the most are 16384");
  const TopologyDescription largest =
      read_topology(Config::parse(fat_tree_with(R"("ports": 16384, "levels": 3)"), "t.json"));
  EXPECT_EQ(count_topology(largest).endpoints, std::int64_t{1} << 40);  // k^3 / 4
  EXPECT_TRUE(user_error([&] { return build_topology(largest); }).starts_with("topology 't': fabric: too large for"));
}

TEST(TopologyRead, NamesMistakesInGraphs) {
  const std::string two = R"({"name": "a", "kind": "device", "node": 0}, {"name": "b", "kind": "device", "node": 1})";
  const std::string leaf = R"(, {"name": "leaf", "kind": "switch"})";
  EXPECT_EQ(mistake(graph(two + R"(, {"name": "a", "kind": "switch"})", "")),
            "t.json: fabric.vertices.2.name: there is already a vertex 'a'");
  EXPECT_EQ(mistake(graph(two + leaf, R"({"from": "a", "to": "leav", "bandwidth": "1 GB/s"})")),
            "t.json: fabric.links.0.to: unknown vertex 'leav' (did you mean 'leaf'?)");
  EXPECT_EQ(mistake(graph(two + leaf, R"({"from": "a", "to": "leaf", "bandwidth": "1 GB/s"})")),
            "t.json: fabric: device 0 (node 0) cannot reach device 1 (node 1)");
  EXPECT_EQ(mistake(graph(two, R"({"from": "a", "to": "b", "bandwidth": "1 GB/s"})")),
            "t.json: fabric.links.0: joins nodes 0 and 1 directly; put a switch of the network between them");
  EXPECT_EQ(mistake(graph(R"({"name": "a", "kind": "device"})", "")),
            "t.json: fabric.vertices.0: 'a' is no switch, so it is in a node: needs \"node\", a number from 0");
  EXPECT_EQ(mistake(graph(two + R"(, {"name": "n", "kind": "adapter", "node": 0, "plane": 0},
                                     {"name": "m", "kind": "adapter", "node": 1})",
                          "")),
            "t.json: fabric.vertices.3: adapter 'm' has no plane, but 'n' has: needs \"plane\", a number from 0");
  EXPECT_EQ(mistake(graph(R"({"name": "b", "kind": "device", "node": 1})", "")),
            "t.json: fabric.vertices: no device is in node 0, but something else is in it or a later one; nodes are "
            "numbered from 0");
  EXPECT_EQ(mistake(graph("", "")), "t.json: fabric.vertices: there is no device among them");
}

// A ring of devices joins neighbours only: devices do not pass on what is not theirs.
TEST(TopologyRead, DevicesDoNotPassBytesOn) {
  const std::string vertices =
      R"({"name": "a", "kind": "device", "node": 0}, {"name": "b", "kind": "device", "node": 0},
                                  {"name": "c", "kind": "device", "node": 0})";
  EXPECT_EQ(mistake(graph(vertices, R"({"from": "a", "to": "b", "bandwidth": "1 GB/s"},
                                       {"from": "b", "to": "c", "bandwidth": "1 GB/s"})")),
            "t.json: fabric: device 0 (node 0) cannot reach device 2 (node 0)");
}

// The listed example: one flow between the hosts runs at the slow link's rate, over both adapters.
TEST(TopologyRead, ListedGraphIsRouted) {
  const Topology topology = build_topology(load_topology("two-by-two"));
  ASSERT_EQ(topology.devices, 4u);
  const std::vector<Demanded> flows = {{0, 3, 12.5e9}};
  EXPECT_NEAR(busiest(loads(topology, route_flows(topology, {}, flows), flows)), 1.0, 1e-6);
  const std::vector<Demanded> inside = {{0, 1, 56.25e9}};
  EXPECT_NEAR(busiest(loads(topology, route_flows(topology, {}, inside), inside)), 1.0, 1e-6);
}

TEST(TopologyCost, PricesAreRefusedWithAReason) {
  EXPECT_EQ(user_error([] {
              return read_topology_prices(Config::parse(
                  R"({"name": "p", "switch": "1", "endpoint_link": "$1", "local_link": "$1", "global_link": "$1"})",
                  "p.json"));
            }).substr(0, 40),
            "p.json: switch: \"1\" is not an amount: th");
}

struct Published {
  const char* topology;
  double millions;  // arXiv:2505.09343, table 3
};
constexpr Published kTable3[] = {
    {"ft2-64", 9}, {"mpft-8x64", 72}, {"ft3-64", 491}, {"slim-fly-28", 146}, {"dragonfly-511", 1522}};

// Calibrated to these five, so this shows how well four prices can explain them.
TEST(TopologyCost, Table3WithinHalfAPercent) {
  for (const Published& row : kTable3) {
    const TopologyDescription description = load_topology(row.topology);
    const Dollars cost = network_cost(count_topology(description), load_topology_prices(description.prices));
    EXPECT_NEAR(cost.value / (row.millions * 1e6), 1, 0.005) << row.topology;
  }
}

// Of all non-negative prices the shipped ones have the least squares of relative errors: the derivative by each price
// is zero, or not negative where the price is zero (Karush, Kuhn and Tucker), up to their rounding to dollars.
TEST(TopologyCost, PricesAreTheBestFit) {
  const TopologyPrices prices = load_topology_prices("network-400g");
  double derivative[4] = {}, scale[4] = {};
  for (const Published& row : kTable3) {
    const TopologyCounts counts = count_topology(load_topology(row.topology));
    const double parts[4] = {static_cast<double>(counts.switches), static_cast<double>(counts.endpoints),
                             static_cast<double>(counts.local_links), static_cast<double>(counts.global_links)};
    const double error = network_cost(counts, prices).value / (row.millions * 1e6) - 1;
    for (int i = 0; i < 4; ++i) {
      derivative[i] += error * parts[i] / row.millions;
      scale[i] += parts[i] / row.millions;
    }
  }
  const double amounts[4] = {prices.switch_.value, prices.endpoint_link.value, prices.local_link.value,
                             prices.global_link.value};
  for (int i = 0; i < 4; ++i) {
    if (amounts[i] > 0) {
      EXPECT_NEAR(derivative[i] / scale[i], 0, 1.2e-4) << i;  // half a dollar of 4400
    } else {
      EXPECT_GE(derivative[i] / scale[i], 0) << i;
    }
  }
}

}  // namespace
}  // namespace moesaic
