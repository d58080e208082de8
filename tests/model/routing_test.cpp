#include "model/routing.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <numeric>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "model/sampling.hpp"

namespace moesaic {
namespace {

double sum(std::span<const double> values) { return std::accumulate(values.begin(), values.end(), 0.0); }

TEST(Routing, DistinctOfUniformHasItsClosedForm) {
  const Routing routing = Routing::uniform(8, 2);
  EXPECT_DOUBLE_EQ(routing.distinct(1), 2);
  EXPECT_DOUBLE_EQ(routing.distinct(3), 8 * (1 - 0.75 * 0.75 * 0.75));
  EXPECT_NEAR(routing.distinct(2.5), 8 * (1 - std::pow(0.75, 2.5)), 1e-12);
  EXPECT_DOUBLE_EQ(routing.distinct(1e9), 8);
  EXPECT_EQ(routing.distinct(0), 0);
  EXPECT_DOUBLE_EQ(routing.distinct(0.25), 0.5);  // a quarter of the time one token, which uses two
}

TEST(Routing, DistinctKeepsItsPrecisionWhereExpertsAreMany) {
  // E (1 - (1 - 1/E)^2) = 2 - 1/E
  EXPECT_DOUBLE_EQ(Routing::uniform(1 << 20, 1).distinct(2), 2 - std::ldexp(1.0, -20));
}

TEST(Routing, EveryTokenOfAllExpertsUsesAllExperts) {
  EXPECT_DOUBLE_EQ(Routing::uniform(8, 8).distinct(1), 8);
  EXPECT_DOUBLE_EQ(Routing::zipf(8, 8, 1.5).distinct(40), 8);
}

TEST(Routing, InclusionIsThatOfDrawingOneAfterAnother) {
  // Every ordered draw of three out of six, by its probability.
  const std::vector<double> weights = {9, 4, 2.5, 1, 0.5, 0.01};
  std::vector<double> expected(weights.size(), 0.0);
  const double all = sum(weights);
  for (std::size_t a = 0; a < weights.size(); ++a) {
    for (std::size_t b = 0; b < weights.size(); ++b) {
      for (std::size_t c = 0; c < weights.size(); ++c) {
        if (a != b && b != c && a != c) {
          const double chance =
              weights[a] / all * weights[b] / (all - weights[a]) * weights[c] / (all - weights[a] - weights[b]);
          expected[a] += chance;
          expected[b] += chance;
          expected[c] += chance;
        }
      }
    }
  }
  const std::vector<double> inclusion = inclusion_probabilities(weights, 3);
  for (std::size_t e = 0; e < weights.size(); ++e) {
    EXPECT_NEAR(inclusion[e] / expected[e], 1, 1e-8) << e;
  }
}

TEST(Routing, InclusionOfOneDrawIsItsShare) {
  const Routing routing = Routing::histogram(1, {3, 1, 0, 4});
  EXPECT_DOUBLE_EQ(routing.inclusion()[0], 3.0 / 8);
  EXPECT_DOUBLE_EQ(routing.inclusion()[2], 0);
  EXPECT_DOUBLE_EQ(routing.inclusion()[3], 0.5);
}

TEST(Routing, SpreadZipfDealsExpertsRoundRobinByPopularity) {
  const Routing spread = Routing::zipf(8, 1, 1, true), together = Routing::zipf(8, 1, 1, false);
  // Blocks of two ranks hold the popularity ranks {0, 2, 4, 6} and {1, 3, 5, 7}; of four {0, 4}, {2, 6}, {1, 5}, {3,
  // 7}.
  const std::vector<int> order = {0, 4, 2, 6, 1, 5, 3, 7};
  for (std::size_t e = 0; e < order.size(); ++e) {
    EXPECT_DOUBLE_EQ(spread.popularity()[e], 1.0 / (order[e] + 1));
    EXPECT_DOUBLE_EQ(together.popularity()[e], 1.0 / static_cast<double>(e + 1));
  }
}

TEST(Routing, TraceCountsItsTokens) {
  const std::vector<std::int32_t> chosen = {0, 1, 0, 2, 0, 1, 0, 3};
  const Routing routing = Routing::trace(5, 2, chosen);
  EXPECT_EQ(std::vector<double>(routing.inclusion().begin(), routing.inclusion().end()),
            (std::vector<double>{1, 0.5, 0.25, 0.25, 0}));
  EXPECT_DOUBLE_EQ(routing.distinct(1), 2);
  EXPECT_DOUBLE_EQ(routing.distinct(2), 1 + 0.75 + 2 * (1 - 0.75 * 0.75));
}

TEST(Routing, NamesAreParsed) {
  EXPECT_TRUE(Routing::parse("uniform", 64, 4).is_uniform());
  const Routing zipf = Routing::parse("zipf:1.2", 64, 4), same = Routing::zipf(64, 4, 1.2);
  EXPECT_TRUE(std::equal(zipf.inclusion().begin(), zipf.inclusion().end(), same.inclusion().begin()));
  EXPECT_EQ(zipf.top_k(), 4);
  EXPECT_EQ(zipf.experts(), 64);
}

TEST(Routing, EvenDealsTokensInTurn) {
  const Routing even = Routing::parse("even", 8, 2);
  EXPECT_TRUE(even.is_even() && even.is_uniform());
  EXPECT_FALSE(Routing::uniform(8, 2).is_even());
  EXPECT_DOUBLE_EQ(even.distinct(3), 6);
  EXPECT_DOUBLE_EQ(even.distinct(5), 8);
}

class RoutingFile : public testing::Test {
 protected:
  std::string write(const std::string& text) const {
    std::ofstream(file_) << text;
    return file_.string();
  }
  void TearDown() override { std::filesystem::remove(file_); }
  std::filesystem::path file_ =
      std::filesystem::path(testing::TempDir()) /
      (std::string(testing::UnitTest::GetInstance()->current_test_info()->name()) + "_routing.json");
};

TEST_F(RoutingFile, HistogramAndTraceAreRead) {
  const Routing histogram =
      Routing::parse(write(R"({"top_k": 1, "histogram": [3, 1, 0, 4], "source": "made up"})"), 4, 1);
  EXPECT_DOUBLE_EQ(histogram.inclusion()[0], 3.0 / 8);
  const Routing trace = Routing::parse(write(R"({"experts": 4, "top_k": 2, "trace": [0, 1, 0, 3]})"), 4, 2);
  EXPECT_DOUBLE_EQ(trace.inclusion()[0], 1);
  EXPECT_DOUBLE_EQ(trace.inclusion()[3], 0.5);
}

// The message is one line and names what is wrong and what would be right.
void expect_error(const std::string& text, const std::vector<std::string>& parts, std::int64_t experts = 4,
                  std::int64_t top_k = 2) {
  try {
    Routing::parse(text, experts, top_k);
    ADD_FAILURE() << "accepted: " << text;
  } catch (const UserError& error) {
    const std::string message = error.what();
    EXPECT_EQ(message.find('\n'), std::string::npos) << message;
    for (const std::string& part : parts) {
      EXPECT_NE(message.find(part), std::string::npos) << "'" << part << "' is not in: " << message;
    }
  }
}

TEST(RoutingMistakes, InNames) {
  expect_error("unifrom", {"unifrom", "did you mean 'uniform'?"});
  expect_error("", {"uniform", "even", "zipf:EXPONENT", "FILE.json"});
  expect_error("pareto", {"'pareto'", "zipf:EXPONENT", "FILE.json"});
  expect_error("zip:1", {"did you mean 'zipf'?"});
  expect_error("zipf", {"exponent", "zipf:1.2"});
  expect_error("zipf:", {"exponent", "zipf:1.2"});
  expect_error("zipf:1.2x", {"zipf:1.2x", "exponent"});
  expect_error("zipf:nan", {"nan", "0 to 10"});
  expect_error("zipf:-1", {"-1", "0 to 10"});
  expect_error("zipf:99", {"99", "0 to 10"});
  expect_error("uniform", {"top_k is 5", "4"}, 4, 5);
  expect_error("uniform", {"top_k is 0"}, 4, 0);
  expect_error("uniform", {"0 experts"}, 0, 1);
  expect_error("nowhere/routing.json", {"nowhere/routing.json"});
}

TEST_F(RoutingFile, MistakesInFiles) {
  expect_error(write(R"({"top_k": 4, "histogram": [1, 1, 1, 1]})"), {"routing.json", "top_k", "4", "2"});
  expect_error(write(R"({"top_k": 2, "histogram": [1, 1, 1]})"), {"routing.json", "histogram", "3 experts", "has 4"});
  expect_error(write(R"({"top_k": 2, "histogram": [1, -1, 1, 1]})"), {"histogram", "expert 1", "-1"});
  expect_error(write(R"({"top_k": 2, "histogram": [1, 0, 0, 0]})"), {"histogram", "top_k 2", "only 1"});
  expect_error(write(R"({"top_k": 2, "histogram": [1, "x", 0, 0]})"), {"histogram"});
  expect_error(write(R"({"top_k": 2, "histogram": [1, 1e-320, 1e-320, 0]})"), {"histogram", "expert 1", "1e-200"});
  expect_error(write(R"({"top_k": 2, "experts": 8, "trace": [0, 1]})"), {"experts", "8", "4"});
  expect_error(write(R"({"top_k": 2, "experts": 4, "trace": [0, 1, 2]})"), {"trace", "3 entries", "top_k"});
  expect_error(write(R"({"top_k": 2, "experts": 4, "trace": []})"), {"trace", "0 entries"});
  expect_error(write(R"({"top_k": 2, "experts": 4, "trace": [0, 4]})"), {"trace", "expert 4", "0 to 3"});
  expect_error(write(R"({"top_k": 2, "experts": 4, "trace": [0, -1]})"), {"trace", "expert -1", "0 to 3"});
  expect_error(write(R"({"top_k": 2, "experts": 4, "trace": [0, 1, 3, 3]})"), {"token 1", "expert 3 twice"});
  expect_error(write(R"({"top_k": 2})"), {"'histogram'", "'trace'"});
  expect_error(write(R"({"top_k": 2, "histogram": [1, 1, 1, 1], "trace": [0, 1]})"), {"'histogram'", "'trace'"});
  expect_error(write(R"({"top_k": 2, "histgram": [1, 1, 1, 1]})"), {"histgram", "histogram"});
  expect_error(write("[1]"), {"routing.json"});
  expect_error(write("{"), {"routing.json"});
}

TEST(RoutingMistakes, InTraces) {
  EXPECT_THROW(Routing::trace(4, 2, std::vector<std::int32_t>{0, 1, 2}), UserError);
  EXPECT_THROW(Routing::trace(4, 2, std::vector<std::int32_t>{0, 4}), UserError);
  EXPECT_THROW(Routing::trace(4, 2, std::vector<std::int32_t>{1, 1}), UserError);
  EXPECT_NO_THROW(Routing::trace(4, 2, std::vector<std::int32_t>{0, 1, 1, 0}));
}

struct Shape {
  std::int64_t experts, top_k;
};

Shape any_shape(int most_experts) {
  const int experts = *rc::gen::inRange(1, most_experts + 1);
  return {experts, *rc::gen::inRange(1, std::min(experts, 12) + 1)};
}

RC_GTEST_PROP(RoutingProperties, InclusionSumsToTopKAndIsAtMostOne, ()) {
  const Shape shape = any_shape(64);
  std::vector<double> popularity = *rc::gen::container<std::vector<double>>(
      static_cast<std::size_t>(shape.experts),
      rc::gen::map(rc::gen::inRange(-30, 31), [](int exponent) { return std::exp2(exponent); }));
  const Routing routing = Routing::histogram(shape.top_k, popularity);
  RC_ASSERT(std::abs(sum(routing.inclusion()) - static_cast<double>(shape.top_k)) < 1e-6);
  for (std::size_t e = 0; e < popularity.size(); ++e) {
    RC_ASSERT(routing.inclusion()[e] > 0);
    RC_ASSERT(routing.inclusion()[e] <= 1);
    for (std::size_t other = 0; other < e; ++other) {
      RC_ASSERT(popularity[e] < popularity[other] || routing.inclusion()[e] > routing.inclusion()[other] - 1e-7);
    }
  }
}

RC_GTEST_PROP(RoutingProperties, DistinctGrowsWithTokensWithinItsBounds, ()) {
  const Shape shape = any_shape(128);
  const Routing routing = Routing::zipf(shape.experts, shape.top_k, *rc::gen::inRange(0, 20) / 10.0);
  const double fewer = *rc::gen::inRange(0, 4000) / 16.0, more = fewer + *rc::gen::inRange(0, 4000) / 16.0;
  RC_ASSERT(routing.distinct(fewer) <= routing.distinct(more) * (1 + 1e-12));
  RC_ASSERT(routing.distinct(more) <= static_cast<double>(shape.experts) * (1 + 1e-12));
  RC_ASSERT(routing.distinct(more) <= more * static_cast<double>(shape.top_k) * (1 + 1e-12));
}

RC_GTEST_PROP(RoutingProperties, EqualPopularityIsUniform, ()) {
  const Shape shape = any_shape(128);
  const Routing uniform = Routing::uniform(shape.experts, shape.top_k);
  const double tokens = *rc::gen::inRange(0, 4000) / 16.0;
  RC_ASSERT(Routing::zipf(shape.experts, shape.top_k, 0).distinct(tokens) == uniform.distinct(tokens));
  // Nearly equal popularity takes the general path to the same answer.
  std::vector<double> popularity(static_cast<std::size_t>(shape.experts), 1.0);
  popularity.front() += 1e-9;
  const double nearly = Routing::histogram(shape.top_k, popularity).distinct(tokens);
  RC_ASSERT(std::abs(nearly - uniform.distinct(tokens)) <= 1e-6 * (1 + nearly));
}

RC_GTEST_PROP(RoutingProperties, OrderOfExpertsDoesNotMatterToDistinct, ()) {
  const Shape shape = any_shape(48);
  std::vector<double> popularity = *rc::gen::container<std::vector<double>>(
      static_cast<std::size_t>(shape.experts), rc::gen::map(rc::gen::inRange(1, 1000), [](int n) { return n * 1.0; }));
  const double tokens = *rc::gen::inRange(1, 300);
  const double before = Routing::histogram(shape.top_k, popularity).distinct(tokens);
  std::sort(popularity.begin(), popularity.end());
  RC_ASSERT(std::abs(Routing::histogram(shape.top_k, popularity).distinct(tokens) - before) <= 1e-7 * before);
}

}  // namespace
}  // namespace moesaic
