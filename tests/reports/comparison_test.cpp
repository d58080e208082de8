// Predictions side by side.
#include "reports/comparison.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "fixture.hpp"
#include "texts.hpp"

namespace moesaic {
namespace {

Prediction twice_as_fast() {
  Prediction prediction = fixture::mixtral();
  prediction.output_tokens *= 2;
  prediction.ttft *= 0.5;
  return prediction;
}

const ComparedRow& row(const std::vector<ComparedRow>& rows, const std::string& name) {
  return *std::find_if(rows.begin(), rows.end(), [&name](const ComparedRow& one) { return one.name == name; });
}

TEST(Comparison, MarksTheBestWhereTheyDiffer) {
  const auto rows = compare({fixture::mixtral(), twice_as_fast()});
  EXPECT_EQ(row(rows, "output tokens/s").best, (std::vector<bool>{false, true}));
  EXPECT_EQ(row(rows, "time to first token (TTFT)").best, (std::vector<bool>{false, true}));
  EXPECT_EQ(row(rows, "time per output token (TPOT)").best, (std::vector<bool>{false, false}));
  EXPECT_EQ(row(rows, "throughput against the first").cells, (std::vector<std::string>{"1.00x", "2.00x"}));
}

TEST(Comparison, OnlyThoseThatFitCompete) {
  Prediction winner = twice_as_fast();
  winner.fits = false;
  const auto rows = compare({fixture::mixtral(), winner, fixture::too_large()});
  for (const ComparedRow& one : rows) {
    EXPECT_EQ(std::count(one.best.begin(), one.best.end(), true), 0) << one.name;
    EXPECT_EQ(one.cells.size(), 3u);
  }
  EXPECT_EQ(row(rows, "output tokens/s").cells[2], "-");
  EXPECT_EQ(row(rows, "fits").cells, (std::vector<std::string>{"yes", "NO", "NO"}));
}

TEST(Comparison, PutsNamesOverColumnsAndExplainsTheMark) {
  const std::string text = comparison_text({fixture::mixtral(), twice_as_fast()}, {"first", "second"}, kPlain);
  EXPECT_LT(text.find("first"), text.find("second"));
  EXPECT_NE(text.find("14,407 *"), std::string::npos);
  EXPECT_NE(text.find("* best of those that fit"), std::string::npos);
}

TEST(Comparison, SaysWhoseTimesOfKernelsItUses) {
  Prediction borrowed = twice_as_fast();
  const std::string one = comparison_text({borrowed, borrowed}, {"first", "second"}, kPlain);
  EXPECT_NE(one.find("  times of kernels: " + borrowed.cost_model), std::string::npos) << one;
  borrowed.cost_model = "an engine borrowed from its sibling";
  const std::string two = comparison_text({fixture::mixtral(), borrowed}, {"first", "second"}, kPlain);
  EXPECT_NE(two.find("  second: an engine borrowed from its sibling\n"), std::string::npos) << two;
  EXPECT_NE(two.find("  first: " + fixture::mixtral().cost_model + "\n"), std::string::npos) << two;
}

TEST(Comparison, ManyColumnsBecomeSeveralTables) {
  const std::vector<Prediction> predictions(9, fixture::mixtral());
  std::vector<std::string> names(9, "a machine with a long name that goes on and on");
  const std::string text = comparison_text(predictions, names, kPlain);
  std::size_t at = 0;
  for (std::size_t end = 0; (end = text.find('\n', at)) != std::string::npos; at = end + 1) {
    EXPECT_LE(end - at, 100u);
  }
  EXPECT_EQ(comparison_text({}, {}, kPlain), "");
}

}  // namespace
}  // namespace moesaic
