// unit and closed form: what a run's record comes to, latency goals, and the rate that is kept up with.
#include "sim/serving_figures.hpp"

#include <gtest/gtest.h>

#include "sim/sustainable_rate.hpp"
#include "tests/sim/fake_server.hpp"
#include "tests/user_error.hpp"

namespace moesaic {
namespace {

/// Requests that arrive together, begin at once, have their first token after 1, 2, ... s and ten more in 5 s.
ServingRecord record_of(int requests) {
  ServingRecord record;
  for (int i = 1; i <= requests; ++i) {
    record.requests.push_back(
        {.first_token = Seconds{1.0 * i}, .end = Seconds{5.0 + i}, .lengths = {100, 11}, .ended = true});
  }
  record.span = Seconds{20};
  record.output_tokens = 110;
  record.prompt_tokens = 1000;
  record.ended = 10;
  record.running_seconds = 50;
  record.decode_steps = 30;
  record.mixed_steps = 10;
  return record;
}

TEST(ServingFigures, ByHand) {
  const ServingFigures figures = serving_figures(record_of(101));
  EXPECT_DOUBLE_EQ(figures.ttft.p50.value, 51);  // the 50th of 0 to 100
  EXPECT_DOUBLE_EQ(figures.ttft.p90.value, 91);
  EXPECT_DOUBLE_EQ(figures.ttft.p99.value, 100);
  EXPECT_DOUBLE_EQ(figures.end_to_end.mean.value, 56);
  EXPECT_DOUBLE_EQ(figures.tpot->p99.value, 0.5);
  EXPECT_FALSE(figures.tbt.has_value());
  EXPECT_DOUBLE_EQ(figures.output_tokens.value, 5.5);
  EXPECT_DOUBLE_EQ(figures.total_tokens.value, 55.5);
  EXPECT_DOUBLE_EQ(figures.requests.value, 0.5);
  EXPECT_DOUBLE_EQ(figures.mean_running, 2.5);
  EXPECT_DOUBLE_EQ(figures.mixed_share, 0.25);
  EXPECT_DOUBLE_EQ(figures.mean_output, 11);
}

TEST(ServingFigures, NothingEnded) {
  ServingRecord record = record_of(1);
  record.requests[0].ended = false;
  EXPECT_NE(user_error([&] { serving_figures(record); }).find("stopped before"), std::string::npos);
}

TEST(ServingGoals, AreRead) {
  const std::vector<ServingGoal> goals = parse_serving_goals("tpot=50ms,ttft.mean=2s,ttft=3s");
  ASSERT_EQ(goals.size(), 3U);
  EXPECT_EQ(to_text(goals[0]), "tpot.p99");
  EXPECT_EQ(to_text(goals[1]), "ttft.mean");
  EXPECT_DOUBLE_EQ(goals[1].most.value, 2);
  const ServingFigures figures = serving_figures(record_of(3));  // TTFT 1, 2, 3 s; TPOT 0.5 s
  EXPECT_DOUBLE_EQ(value_of(figures, goals[1]).value, 2);
  EXPECT_TRUE(holds(figures, parse_serving_goals("ttft.p50=2s,tpot=0.5s")));
  EXPECT_FALSE(holds(figures, parse_serving_goals("ttft.p50=2s,tpot=0.49s")));
  EXPECT_TRUE(holds(figures, {}));
}

TEST(ServingGoals, Mistakes) {
  const auto refused = [](const char* text) { return user_error([&] { parse_serving_goals(text); }); };
  EXPECT_NE(refused("ttf=1s").find("did you mean 'ttft'"), std::string::npos);
  EXPECT_NE(refused("ttft.p95=1s").find("p90"), std::string::npos);
  EXPECT_NE(refused("ttft").find("no value"), std::string::npos);
  EXPECT_NE(refused("ttft=0s").find("above zero"), std::string::npos);
  EXPECT_NE(refused("ttft=3").find("unit"), std::string::npos);
  EXPECT_NE(refused("ttft=1s,ttft.p99=2s").find("twice"), std::string::npos);
}

/// Requests that take one step each, one at a time.
ServingLoad one_by_one() {
  ServingLoad load = load_of("1000", "1", 1);
  load.count = 20000;
  load.warm_up = 100;
  return load;
}

// One at a time at D each: 1/D requests a second and no more.
TEST(SustainableRate, IsTheServersOwnWithoutGoals) {
  const double service = FakeStep{}(0, 0, 1000);
  const SustainableRate found = sustainable_rate(one_by_one(), fake_server(), {});
  EXPECT_NEAR(found.saturated.value, 1 / service, 1e-9 / service);
  EXPECT_NEAR(found.rate.value * service, 1, 0.02);
  EXPECT_FALSE(found.stopped);
  double lowest_failed = 1e9;
  for (const TriedRate& tried : found.tried) {
    lowest_failed = tried.sustained() ? lowest_failed : std::min(lowest_failed, tried.rate.value);
  }
  EXPECT_LT(found.rate.value, lowest_failed);
  EXPECT_LE(lowest_failed, found.rate.value * 1.0051);
}

// Pollaczek and Khinchine: at half of it the mean wait is D/2, so that TTFT is 1.5 D.
TEST(SustainableRate, KeepsGoals) {
  const double service = FakeStep{}(0, 0, 1000);
  ServingGoal goal{ServingGoal::Figure::ttft, ServingGoal::Statistic::mean, Seconds{1.5 * service}};
  const SustainableRate found = sustainable_rate(one_by_one(), fake_server(), {goal});
  EXPECT_NEAR(found.rate.value * service, 0.5, 0.02);
  EXPECT_LE(serving_figures(found.record).ttft.mean, goal.most);
  goal.most = Seconds{0.99 * service};  // not even alone
  EXPECT_EQ(sustainable_rate(one_by_one(), fake_server(), {goal}).rate.value, 0);
}

// Of 16 requests four may wait by chance: where few come close together, more than the server's own rate is no proof of
// growth.
TEST(SustainableRate, SearchesUpwardsToo) {
  ServingLoad load = one_by_one();
  load.count = 16;
  int higher = 0, lower = 0;
  for (load.requests.seed = 1; load.requests.seed <= 20; ++load.requests.seed) {
    const SustainableRate found = sustainable_rate(load, fake_server(), {});
    higher += found.rate > found.saturated ? 1 : 0;
    lower += found.rate < found.saturated ? 1 : 0;
    EXPECT_FALSE(found.tried.front().sustained() && found.rate < found.saturated);
  }
  EXPECT_GT(higher, 0);
  EXPECT_GT(lower, 0);
}

TEST(SustainableRate, NeedsRequestsAndStops) {
  ServingLoad load = one_by_one();
  EXPECT_TRUE(sustainable_rate(load, fake_server(), {}, [](std::int64_t) { return false; }).stopped);
  load.rules.batch = 10000;
  EXPECT_NE(user_error([&] { sustainable_rate(load, fake_server(), {}); }).find("40000"), std::string::npos);
}

}  // namespace
}  // namespace moesaic
