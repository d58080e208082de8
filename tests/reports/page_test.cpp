// The HTML page: what it says, that it asks the network for nothing, and that a browser draws all of its charts.
#include <gtest/gtest.h>

#include <regex>

#include "browser.hpp"
#include "fixture.hpp"
#include "reports/assets.hpp"
#include "reports/html.hpp"
#include "texts.hpp"

namespace moesaic {
namespace {

constexpr int kChartsOfASection = 7;  // roofline, two waterfalls, throughput, latency, memory, elasticity

PageSection nothing_runs() {
  PageSection section;
  section.title = "Mixtral-8x7B on one H100";
  section.prediction = fixture::too_large();
  section.machine = fixture::dgx_h100();
  return section;
}

TEST(Page, ShowsTheTablesWithoutScripts) {
  const std::string page = prediction_page({fixture::section()}, "moesaic predict mixtral --html page.html");
  for (const char* part :
       {"fits: 19.6 GB of 80.0 GB per device", "<code>moesaic predict mixtral --html page.html</code>", "9,546",
        "attention_decode", "Operators of a prefill step", "device.scale_up.bandwidth", "How to read this"}) {
    EXPECT_TRUE(has(page, part)) << part;
  }
  EXPECT_EQ(count(page, "<canvas "), kChartsOfASection);
  EXPECT_EQ(count(page, "role=\"img\" aria-label=\""), kChartsOfASection);
}

TEST(Page, AsksTheNetworkForNothing) {
  const std::string page = prediction_page({fixture::section(), nothing_runs()}, "moesaic compare a b");
  const std::regex resource(R"re((src|href|url|action)\s*[=(]\s*["']?\s*(https?:)?//)re", std::regex::icase);
  EXPECT_FALSE(std::regex_search(page.substr(0, page.find("<script>")), resource));
  EXPECT_FALSE(has(page, "<script src"));
  EXPECT_FALSE(has(std::string(page_style()), "@import"));
  EXPECT_FALSE(has(std::string(page_style()), "http"));
  EXPECT_FALSE(has(std::string(page_script()), "http"));
  EXPECT_TRUE(has(page, "default-src 'none'"));
}

TEST(Page, CarriesItsLibrary) {
  EXPECT_TRUE(has(std::string(chart_library()), "Chart.js v3"));
  EXPECT_TRUE(has(std::string(chart_library()), "MIT License"));
  for (const std::string_view script : {chart_library(), page_script()}) {
    EXPECT_FALSE(has(std::string(script), "</script")) << "would end the element";
    EXPECT_FALSE(has(std::string(script), std::string(1, '\0')));
  }
}

TEST(Page, EscapesEveryText) {
  EXPECT_EQ(html_text("<a href='x'>\"&\"</a>\n"), "&lt;a href=&#39;x&#39;&gt;&quot;&amp;&quot;&lt;/a&gt;\\n");
  const std::string evil = "</script><script>boom()</script><!--\"'&";
  PageSection section = fixture::section();
  section.title = evil;
  section.prediction.model = section.prediction.machine = section.prediction.mapping = evil;
  section.prediction.placement = section.prediction.precision = section.prediction.cost_model = evil;
  section.prediction.decode.waterfall[0].name = section.prediction.decode.waterfall[0].resource = evil;
  section.prediction.decode.limit.resource = section.prediction.decode.resources[0].resource = evil;
  section.prediction.elasticity[0].figure = evil;
  section.prediction.fits = false;
  section.prediction.advice.smaller_type = evil;
  OperatorRow& row = section.decode_operators[6];
  row.block = row.operator_ = row.kind = row.shape = row.unit = row.arithmetic = row.bound_by = evil;
  const std::string page = prediction_page({section, section}, evil);
  EXPECT_FALSE(has(page, "<script>boom"));
  EXPECT_FALSE(has(page, "<!--"));
  EXPECT_EQ(count(page, "<script"), 3);
  EXPECT_EQ(count(page, "</script>"), 3);
}

TEST(Page, WithoutTimesHasOnlyMemory) {
  const std::string page = prediction_page({nothing_runs()}, "");
  EXPECT_EQ(count(page, "<canvas "), 1);
  EXPECT_TRUE(has(page, "DOES NOT FIT"));
  EXPECT_TRUE(has(page, "no times"));
  EXPECT_FALSE(has(page, "Made by"));
}

class PageInBrowser : public testing::Test {
 protected:
  void SetUp() override {
    const auto found = find_browser();
    if (!found) {
      GTEST_SKIP() << "no chromium on this machine (Debian: chromium); the page is not loaded";
    }
    browser_ = *found;
  }

  std::string load(const std::string& page) {
    return load_in_browser(browser_, testing::UnitTest::GetInstance()->current_test_info()->name(), page);
  }

  std::string browser_;
};

TEST_F(PageInBrowser, DrawsEveryChartOfASection) {
  const std::string dom = load(prediction_page({fixture::section()}, "moesaic predict"));
  EXPECT_TRUE(has(root(dom), "data-charts=\"" + std::to_string(kChartsOfASection) + '"')) << root(dom);
  EXPECT_FALSE(has(root(dom), "data-error")) << root(dom);
}

TEST_F(PageInBrowser, DrawsSeveralSectionsAndTheirOverview) {
  PageSection turns = fixture::section();
  turns.prediction = fixture::in_turns();
  const std::string dom = load(prediction_page({fixture::section(), turns, nothing_runs()}, "moesaic compare"));
  const int charts = 1 + 2 * kChartsOfASection + 1;  // overview; two that run; memory of the one that does not
  EXPECT_TRUE(has(root(dom), "data-charts=\"" + std::to_string(charts) + '"')) << root(dom);
  EXPECT_FALSE(has(root(dom), "data-error")) << root(dom);
}

// Shapes that real predictions can take: no prompt or no output, one point, no links, several units, unknown formats.
TEST_F(PageInBrowser, DrawsUnusualSections) {
  PageSection section = fixture::section();
  section.sweep.resize(1);
  section.prediction.decode = {};
  section.prediction.tpot = {};
  section.decode_operators.resize(3);
  section.decode_operators[0].unit = "cpu";
  section.decode_operators[1].arithmetic = "unheard-of";
  section.decode_operators[2].flops = {0};
  section.prefill_operators[0].time = {0};
  section.prediction.elasticity[0].throughput = -0.2;
  const std::string dom = load(prediction_page({section}, ""));
  EXPECT_TRUE(has(root(dom), "data-charts=\"6\"")) << root(dom);
  EXPECT_FALSE(has(root(dom), "data-error")) << root(dom);
}

// The other tests would see a chart that fails.
TEST_F(PageInBrowser, ReportsAChartThatFails) {
  std::string page = prediction_page({fixture::section()}, "");
  const std::string good = "data-chart=\"memory\"";
  page.replace(page.find(good), good.size(), "data-chart=\"broken\"");
  const std::string dom = load(page);
  EXPECT_FALSE(has(root(dom), "data-charts")) << root(dom);
  EXPECT_TRUE(has(root(dom), "data-error")) << root(dom);
}

}  // namespace
}  // namespace moesaic
