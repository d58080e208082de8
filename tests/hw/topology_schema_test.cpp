// Every shipped topology and price list fits its schema, and the schemas refuse what they should.
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "base/catalog.hpp"
#include "tests/schema/violation.hpp"

namespace moesaic {
namespace {

using Json = nlohmann::json;

Json load(const std::filesystem::path& file) { return Json::parse(std::ifstream(file)); }

TEST(TopologySchema, EveryShippedTopologyFits) {
  const auto entries = list_catalog("topologies");
  EXPECT_GE(entries.size(), 19u);
  for (const CatalogEntry& entry : entries) {
    EXPECT_EQ(violation("topology.json", load(entry.file).dump()), "") << entry.file;
    EXPECT_TRUE(load(entry.file).contains("sources")) << entry.file;
  }
  for (const CatalogEntry& entry : list_catalog("prices")) {
    EXPECT_EQ(violation("prices.json", load(entry.file).dump()), "") << entry.file;
  }
}

void expect_refused(const char* schema, const Json& good, const std::vector<std::pair<const char*, Json>>& broken) {
  ASSERT_EQ(violation(schema, good.dump()), "");
  for (const auto& [pointer, value] : broken) {
    Json document = good;
    document[Json::json_pointer(pointer)] = value;
    EXPECT_NE(violation(schema, document.dump()), "") << pointer << " " << value;
  }
}

TEST(TopologySchema, RefusesBrokenDocuments) {
  expect_refused("topology.json", load(find_in_catalog("topologies", "topology", "dgx-h100-superpod").file),
                 {{"/node/kind", "switchd"},
                  {"/node/devices", 0},
                  {"/node/scale_up", nullptr},
                  {"/node/scale_up/bandwidth", 50},
                  {"/fabric/kind", "clos"},
                  {"/fabric/taper", 0.5},
                  {"/fabric/levels", 4},
                  {"/fabric/endpoint/latency", "1 GB"},
                  {"/fabric/links", Json::array()},
                  {"/nodes", 0},
                  {"/colour", "green"}});
  expect_refused("topology.json", load(find_in_catalog("topologies", "topology", "two-by-two").file),
                 {{"/fabric/vertices/0/kind", "gpu"},
                  {"/fabric/links/0/role", "nvlink"},
                  {"/fabric/links/0/bandwidth", "fast"},
                  {"/fabric/kind", "torus"}});
  expect_refused("prices.json", load(find_in_catalog("prices", "price list", "network-400g").file),
                 {{"/switch", 20487}, {"/local_link", "1/h"}, {"/kind", "topology"}});
}

}  // namespace
}  // namespace moesaic
