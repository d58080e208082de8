// What people read of a topology: its text, its JSON by the schema, and a page whose picture stays small.
#include "reports/topology_report.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <set>

#include "base/catalog.hpp"
#include "reports/topology_scene.hpp"
#include "tests/schema/violation.hpp"
#include "texts.hpp"

namespace moesaic {
namespace {

using Json = nlohmann::json;

class TopologyReports : public testing::TestWithParam<std::string> {};

TEST_P(TopologyReports, JsonFitsItsSchema) {
  EXPECT_EQ(violation("topology_report.json", topology_json(report_topology(GetParam()))), "");
}

TEST_P(TopologyReports, PageIsSmallAndAsksForNothing) {
  const TopologyReport report = report_topology(GetParam());
  const std::string page = topology_page(report, "moesaic topology " + GetParam());
  EXPECT_LT(page.size(), 500'000u);
  EXPECT_EQ(has(page, "<svg class=\"scene\""), report.graph.has_value());
  EXPECT_FALSE(has(page.substr(0, page.find("<script>")), "://"));
}

// Every item is inside the picture, every line joins two of them, and none is drawn twice.
TEST_P(TopologyReports, PictureIsWhole) {
  const TopologyReport report = report_topology(GetParam());
  if (!report.graph) {
    EXPECT_EQ(GetParam(), "slim-fly-28");
    return;
  }
  for (const Scene& scene : {topology_scene(*report.graph, report.description), node_scene(*report.graph)}) {
    ASSERT_FALSE(scene.items.empty());
    for (const Scene::Item& item : scene.items) {
      EXPECT_GE(item.x - item.width / 2, 0);
      EXPECT_LE(item.x + item.width / 2, scene.width);
      EXPECT_GE(item.y - item.height / 2, 0);
      EXPECT_LE(item.y + item.height / 2, scene.height);
      EXPECT_FALSE(item.title.empty());
    }
    std::set<std::pair<std::size_t, std::size_t>> lines;
    for (const Scene::Edge& edge : scene.edges) {
      EXPECT_LT(edge.a, edge.b);
      EXPECT_LT(edge.b, scene.items.size());
      EXPECT_TRUE(lines.emplace(edge.a, edge.b).second);
    }
    EXPECT_LE(scene.items.size(), 1200u);
  }
}

std::vector<std::string> shipped() {
  std::vector<std::string> names;
  for (const CatalogEntry& entry : list_catalog("topologies")) {
    names.push_back(entry.name);
  }
  return names;
}

INSTANTIATE_TEST_SUITE_P(Catalog, TopologyReports, testing::ValuesIn(shipped()), [](const auto& of) {
  std::string name = of.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

// Nothing is lost in bundles: lines of a picture stand for all links between what is drawn apart.
TEST(TopologyScene, LinesStandForAllLinks) {
  const TopologyReport report = report_topology("ft3-64");
  const Scene scene = topology_scene(*report.graph, report.description);
  double links = 0;
  for (const Scene::Edge& edge : scene.edges) {
    links += edge.links;
  }
  // Endpoints, leaf to spine, spine to core: 65,536 of each (arXiv:2505.09343, table 3, counts the last two).
  EXPECT_EQ(links, 3 * 65536);
}

// A 4 x 4 x 4 torus has 3 x 64 links, of which 16 a side go round and are drawn as two stubs each.
TEST(TopologyScene, TorusLinksGoRound) {
  const TopologyReport report = report_topology("torus-3d");
  const Scene scene = topology_scene(*report.graph, report.description);
  EXPECT_EQ(scene.items.size(), 64u);
  EXPECT_EQ(scene.edges.size(), 3u * 64 - 3 * 16);
  EXPECT_EQ(scene.stubs.size(), 2u * 3 * 16);
}

TEST(TopologyText, SaysWhyThereIsNoGraph) {
  const std::string text = topology_text(report_topology("slim-fly-28"), {});
  EXPECT_TRUE(has(text, "32,928")) << text;
  EXPECT_TRUE(has(text, "No graph: ")) << text;
  EXPECT_FALSE(has(text, "diameter")) << text;
}

TEST(TopologyText, ListNamesAll) {
  const std::string list = topology_list_text();
  for (const std::string& name : shipped()) {
    EXPECT_TRUE(has(list, name + " ")) << name;
  }
}

}  // namespace
}  // namespace moesaic
