// The page of a validation: what it says, how points are thinned, and that a browser draws all of its charts.
#include <gtest/gtest.h>

#include <algorithm>

#include "browser.hpp"
#include "reports/validation_parts.hpp"
#include "texts.hpp"
#include "validation_fixture.hpp"

namespace moesaic {
namespace {

TEST(ValidationPage, ShowsTheTablesWithoutScripts) {
  const std::string page = validation_page(fixture::few_rows().validation(), "moesaic validate operators");
  for (const char* part : {"2 of 3 accuracy targets met", "<code>moesaic validate operators</code>", "gemm/h100.csv:6",
                           "moe skewed", "7 rows judged, 3 rows not", "too few rows",
                           "2.5% / 9.0% <strong class=\"missed\">missed</strong>", "n=4096 k=7168 m=16"}) {
    EXPECT_TRUE(has(page, part)) << part;
  }
  EXPECT_EQ(count(page, "<canvas "), 1 + 3);  // errors, and one plot for each kind
}

TEST(ValidationPage, EscapesEveryText) {
  fixture::Judged judged = fixture::few_rows();
  const std::string evil = "</script><script>boom()</script><!--\"'&";
  for (MeasurementKey& key : judged.measurements.keys) {
    key.device = key.stack = key.dtype = key.kv_dtype = key.kernel = evil;
  }
  judged.measurements.files[0] = evil;
  judged.judgement.why_not = evil;
  JudgedGroup& group = judged.judgement.groups[0];
  group.device = group.stack = group.kind = group.dtype = evil;
  const std::string page = validation_page(judged.validation(), evil);
  EXPECT_FALSE(has(page, "<script>boom"));
  EXPECT_FALSE(has(page, "<!--"));
  EXPECT_EQ(count(page, "<script"), 3);
}

TEST(ValidationPage, ThinsToTheMostPointsAndKeepsTheWorst) {
  const fixture::Judged judged = fixture::many_rows(5000);
  const KindRows kind = rows_by_kind(judged.validation())[1];
  const RowSet thin = thinned(judged.judgement, kind.rows, 1000);
  EXPECT_EQ(thin.size(), 1000u);
  EXPECT_TRUE(std::is_sorted(thin.begin(), thin.end()));
  EXPECT_EQ(std::adjacent_find(thin.begin(), thin.end()), thin.end());
  for (const std::uint32_t row : worst_rows(judged.judgement, kind.rows, kWorstShown)) {
    EXPECT_TRUE(std::binary_search(thin.begin(), thin.end(), row));
  }
  EXPECT_EQ(thin, thinned(judged.judgement, kind.rows, 1000));
  EXPECT_EQ(thinned(judged.judgement, kind.rows, 5000), kind.rows);
  // Spread over all rows: about half of the points come from the first half of 5,000 rows.
  const auto first_half = std::count_if(thin.begin(), thin.end(), [](std::uint32_t row) { return row < 7500; });
  EXPECT_NEAR(static_cast<double>(first_half), 500, 80);
}

TEST(ValidationPage, IsTheSameTwice) {
  const fixture::Judged judged = fixture::many_rows(4000);
  EXPECT_EQ(validation_page(judged.validation(), ""), validation_page(judged.validation(), ""));
}

class ValidationInBrowser : public testing::Test {
 protected:
  void SetUp() override {
    const auto found = find_browser();
    if (!found) {
      GTEST_SKIP() << "no chromium on this machine (Debian: chromium); the page is not loaded";
    }
    browser_ = *found;
  }

  void expect_charts(const fixture::Judged& judged, int charts) {
    const std::string test = testing::UnitTest::GetInstance()->current_test_info()->name();
    const std::string dom = load_in_browser(browser_, test, validation_page(judged.validation(), "moesaic validate"));
    EXPECT_TRUE(has(root(dom), "data-charts=\"" + std::to_string(charts) + '"')) << root(dom);
    EXPECT_FALSE(has(root(dom), "data-error")) << root(dom);
  }

  std::string browser_;
};

TEST_F(ValidationInBrowser, DrawsEveryChartOfAValidation) { expect_charts(fixture::many_rows(4000), 1 + 3); }

TEST_F(ValidationInBrowser, DrawsAFewRowsOfAValidation) { expect_charts(fixture::few_rows(), 1 + 3); }

TEST_F(ValidationInBrowser, DrawsNothingOfAnEmptyValidation) { expect_charts({}, 0); }

TEST_F(ValidationInBrowser, DrawsAValidationWithoutBaselines) {
  fixture::Judged judged = fixture::few_rows();
  for (JudgedRow& row : judged.judgement.rows) {
    row.roofline = row.constant = 0;
  }
  expect_charts(judged, 1 + 3);
}

}  // namespace
}  // namespace moesaic
