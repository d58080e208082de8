// closed form, property and agreement: a serving run against sums by hand, Little's law, queueing theory and itself.
#include "sim/admission.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <cmath>

#include "sim/closed_loop.hpp"
#include "sim/serving_figures.hpp"
#include "tests/sim/fake_server.hpp"
#include "tests/user_error.hpp"

namespace moesaic {
namespace {

/// Time of `output` - 1 decode steps of `requests` requests behind prompts of `input` tokens.
double decodes(const FakeStep& step, double requests, double input, double output) {
  double sum = 0;
  for (double token = 1; token < output; ++token) {
    sum += step(requests, input + token - 1, 0);
  }
  return sum;
}

// One user: a prompt, then every token but the first.
TEST(Serve, OneUserByHand) {
  const FakeStep step;
  ServingLoad load = load_of("1000", "101", 1);
  load.count = 10;
  const ServingRecord record = serve(load, fake_server(step));
  const double first = step(0, 0, 1000), whole = first + decodes(step, 1, 1000, 101);
  ASSERT_EQ(record.requests.size(), 10U);
  for (const ServedRequest& request : record.requests) {
    EXPECT_NEAR(request.queueing().value, 0, 1e-12);
    EXPECT_NEAR(request.to_first_token().value, first, 1e-9);
    EXPECT_NEAR(request.whole().value, whole, 1e-9);
  }
  EXPECT_NEAR(record.span.value, 10 * whole, 1e-9);
  EXPECT_EQ(record.output_tokens, 1010);
  EXPECT_EQ(record.prompt_tokens, 10000);
  EXPECT_EQ(record.decode_steps, 1000);
  EXPECT_EQ(record.prompt_steps, 10);
  EXPECT_EQ(record.mixed_steps, 0);
  EXPECT_EQ(record.gaps.size(), 1000);
  EXPECT_NEAR(record.gaps.percentile(0).value, step(1, 1000, 0), 1e-12);
  EXPECT_NEAR(record.gaps.percentile(1).value, step(1, 1099, 0), 1e-12);
}

// Where there is room, who comes during a step waits for its end and no longer; on average for half of it.
TEST(Serve, ArrivalsWaitForTheEndOfAStep) {
  ServingLoad load = load_of("100", "2000", 1000);
  load.requests.rate = PerSecond{1};
  load.count = 200;
  load.warm_up = 20;
  const ServingRecord record = serve(load, fake_server());
  const ServingFigures figures = serving_figures(record);
  for (const ServedRequest& request : record.requests) {
    EXPECT_LE(request.queueing(), record.gaps.percentile(1));
  }
  EXPECT_GT(figures.queueing.mean / figures.tbt->mean, 0.4);
  EXPECT_LT(figures.queueing.mean / figures.tbt->mean, 0.6);
}

// Users that begin together with equal requests stay together: all prompts in one step, then decodes of all.
TEST(Serve, ClosedLoopInLockStepByHand) {
  const FakeStep step;
  for (const std::int64_t users : {1, 7, 16}) {
    ServingLoad load = load_of("500", "65", users);
    load.count = 5 * users;
    const auto n = static_cast<double>(users);
    const ServingFigures figures = serving_figures(serve(load, fake_server(step)));
    const double cycle = step(0, 0, 500 * n) + decodes(step, n, 500, 65);
    EXPECT_NEAR(figures.output_tokens.value, n * 65 / cycle, 1e-9 * n * 65 / cycle);
    EXPECT_NEAR(figures.requests.value, n / cycle, 1e-9 * n / cycle);
    EXPECT_NEAR(figures.end_to_end.p99.value, cycle, 1e-9);
    EXPECT_NEAR(figures.mean_running, n, 1e-9);
  }
}

// A prompt of 1000 tokens in steps of 300: 300, 300, 300, 100. Beside a decode each has one token less room.
TEST(Serve, PromptsAreCutToSteps) {
  const FakeStep step;
  ServingLoad load = load_of("1000", "2", 1);
  load.rules.step_tokens = 300;
  load.count = 1;
  const ServingRecord alone = serve(load, fake_server(step));
  EXPECT_EQ(alone.prompt_steps, 4);
  EXPECT_NEAR(alone.requests[0].first_token.value, 4 * step.base + 1000 * step.prompt, 1e-12);

  load = load_of("299", "200", 2);  // fits beside one decode, so that two users that start apart ...
  load.rules.step_tokens = 300;
  load.count = 20;
  load.warm_up = 2;
  EXPECT_GE(serve(load, fake_server(step)).mixed_steps, 20);  // ... need one mixed step a request
  load.requests.input.first = 300;
  EXPECT_GE(serve(load, fake_server(step)).mixed_steps, 40);  // one token more needs another
}

TEST(Serve, WholePromptsAreNotCut) {
  ServingLoad load = load_of("1000", "2", 3);
  load.rules.step_tokens = 300;
  load.rules.whole_prompts = true;
  load.count = 3;
  const ServingRecord record = serve(load, fake_server());
  // One after another; each one's second token comes beside the next prompt, that of the last beside the fourth.
  EXPECT_EQ(record.prompt_steps, 1);
  EXPECT_EQ(record.mixed_steps, 3);
  EXPECT_EQ(record.prompt_tokens, 4000);
}

// Two users, one prompt a step. Exclusive: while the second prompt is read the first answer waits.
TEST(Serve, ExclusivePromptsHoldUpDecodes) {
  const FakeStep step;
  ServingLoad load = load_of("1000", "3", 2);
  load.rules.step_tokens = 1000;
  load.rules.exclusive = true;
  load.count = 2;
  const ServingRecord exclusive = serve(load, fake_server(step));
  const double prompt = step(0, 0, 1000);
  EXPECT_NEAR(exclusive.requests[0].first_token.value, prompt, 1e-12);
  EXPECT_NEAR(exclusive.requests[1].first_token.value, 2 * prompt, 1e-12);
  EXPECT_NEAR(exclusive.requests[0].end.value, 2 * prompt + step(2, 1000, 0) + step(2, 1001, 0), 1e-12);
  EXPECT_EQ(exclusive.mixed_steps, 0);
  // Gaps: the first answer's first one spans the second prompt; then three decode steps' worth of plain ones.
  EXPECT_EQ(exclusive.gaps.size(), 4);
  EXPECT_NEAR(exclusive.gaps.percentile(1).value, prompt + step(2, 1000, 0), 1e-12);
  EXPECT_NEAR(exclusive.gaps.mean().value, (prompt + 2 * step(2, 1000, 0) + 2 * step(2, 1001, 0)) / 4, 1e-12);

  // Mixed, with room for half a prompt more: the second half's step gives the first answer a token.
  load.rules.exclusive = false;
  load.rules.step_tokens = 1500;
  const ServingRecord mixed = serve(load, fake_server(step));
  EXPECT_NEAR(mixed.requests[0].first_token.value, step(0, 0, 1500), 1e-12);
  EXPECT_NEAR(mixed.requests[1].first_token.value, step(0, 0, 1500) + step(1, 1000, 500), 1e-12);
}

// Two users; the first one's answer has three tokens, and while the prompt that follows it is read the other's waits.
TEST(Serve, ExclusivePromptsLengthenGaps) {
  const FakeStep step;
  ServingLoad load;
  load.requests.trace = {{100, 3}, {100, 9}};
  load.rules.batch = 2;
  load.rules.exclusive = true;
  load.count = 2;
  const ServingRecord record = serve(load, fake_server(step));
  // The other waits twice: with 102 and, behind the third answer, with 104 tokens in its cache beside the new one's
  // 100.
  EXPECT_NEAR(record.gaps.percentile(1).value, step(0, 0, 100) + step(2, (104 + 100) / 2.0, 0), 1e-12);
}

// Pollaczek and Khinchine: a queue with Poisson arrivals and one server that takes D for each waits
// rho D / (2 (1 - rho)) in the mean.
TEST(Serve, OneAtATimeIsTheQueueOfTheTextbook) {
  const FakeStep step;
  const double service = step(0, 0, 1000);
  for (const double utilisation : {0.3, 0.6}) {
    ServingLoad load = load_of("1000", "1", 1);
    load.requests.rate = PerSecond{utilisation / service};
    load.count = 200000;
    load.warm_up = 1000;
    const ServingFigures figures = serving_figures(serve(load, fake_server(step)));
    EXPECT_NEAR(figures.queueing.mean.value / (utilisation * service / (2 * (1 - utilisation))), 1, 0.03);
    EXPECT_NEAR(figures.mean_running, utilisation, 0.02);
    EXPECT_FALSE(figures.tbt.has_value());
  }
}

// Little: requests in the system = rate of requests x time in it, whatever the lengths and the rules.
TEST(Serve, LittlesLaw) {
  for (const bool exclusive : {false, true}) {
    for (const double rate : {2.0, 6.0}) {
      ServingLoad load = load_of("gaussian:800:300", "uniform:1:200", 24);
      load.rules.exclusive = exclusive;
      load.requests.rate = PerSecond{rate};
      load.count = 20000;
      load.warm_up = 500;
      const ServingRecord record = serve(load, fake_server());
      const ServingFigures figures = serving_figures(record);
      const double inside = figures.end_to_end.mean.value;
      // Requests are admitted at ends of steps, a little before their prompt's turn comes: both are bounds.
      EXPECT_LT(figures.mean_running, figures.requests.value * inside * 1.02);
      EXPECT_GT(figures.mean_running, figures.requests.value * (inside - figures.queueing.mean.value) * 0.98);
      EXPECT_NEAR(figures.requests.value / rate, 1, 0.03);
      EXPECT_NEAR(figures.output_tokens.value / (figures.requests.value * figures.mean_output), 1, 0.02);
    }
  }
}

// A closed loop never has another number of requests running where all fit.
TEST(Serve, LittlesLawOfAClosedLoop) {
  ServingLoad load = load_of("gaussian:800:300", "gaussian:150:40", 24);
  load.count = 20000;
  load.warm_up = 100;
  const ServingFigures figures = serving_figures(serve(load, fake_server()));
  EXPECT_NEAR(figures.mean_running, 24, 1e-6);
  EXPECT_NEAR(figures.requests.value * figures.end_to_end.mean.value / 24, 1, 0.01);
}

// One at a time no request waits less when all come closer together (Lindley's recursion grows with every pause less).
TEST(Serve, MoreLoadNeverShortensAWait) {
  std::vector<double> before(2000);
  for (const double rate : {5.0, 20.0, 100.0, 125.0, 300.0}) {
    ServingLoad load = load_of("gaussian:800:300", "1", 1);
    load.requests.rate = PerSecond{rate};
    load.count = 2000;
    const ServingRecord record = serve(load, fake_server());
    for (std::size_t i = 0; i < before.size(); ++i) {
      EXPECT_GE(record.requests[i].queueing().value, before[i] - 1e-9);
      before[i] = record.requests[i].queueing().value;
    }
  }
}

// In a batch steps are whole, so that where in a step a request comes may differ by chance: half of them never wait
// less by more than a thousandth.
TEST(Serve, MoreLoadNeverLowersTheMedianFirstToken) {
  for (const std::uint64_t seed : {1, 2, 3}) {
    double before = 0;
    for (const double rate : {0.5, 1.0, 2.0, 4.0, 6.0, 8.0, 12.0, 20.0}) {
      ServingLoad load = load_of("gaussian:800:300", "gaussian:150:40", 16);
      load.requests.rate = PerSecond{rate};
      load.requests.seed = seed;
      load.count = 4000;
      load.warm_up = 100;
      const double median = serving_figures(serve(load, fake_server())).ttft.p50.value;
      EXPECT_GE(median, before * (1 - 1e-3)) << rate << " requests/s, seed " << seed;
      before = median;
    }
  }
}

ServingLoad any_load() {
  const auto lengths = rc::gen::element<std::string>("1", "2", "37", "gaussian:40:30", "uniform:1:90");
  ServingLoad load = load_of(*lengths, *lengths, *rc::gen::inRange(1, 9));
  load.rules.exclusive = *rc::gen::arbitrary<bool>();
  load.rules.whole_prompts = *rc::gen::arbitrary<bool>();
  load.rules.step_tokens = *rc::gen::inRange(1, 200);
  load.count = *rc::gen::inRange(1, 60);
  load.warm_up = *rc::gen::inRange(0, 20);
  load.requests.seed = *rc::gen::arbitrary<std::uint64_t>();
  if (*rc::gen::arbitrary<bool>()) {
    load.requests.rate = PerSecond{*rc::gen::element(1.0, 10.0, 100.0)};
  }
  return load;
}

/// The most of `weight(request)` that run at once.
template <class Weight>
double most_at_once(const std::vector<ServedRequest>& requests, Weight weight) {
  double most = 0;
  for (const ServedRequest& one : requests) {
    double now = 0;
    for (const ServedRequest& other : requests) {
      now += other.start <= one.start && other.end > one.start ? weight(other) : 0;
    }
    most = std::max(most, now);
  }
  return most;
}

RC_GTEST_PROP(Serve, NothingIsLostAndRoomIsKept, ()) {
  const ServingLoad load = any_load();
  constexpr double kTokens = 500;
  ServingSystem system = fake_server({}, kTokens);
  system.groups = *rc::gen::inRange(1, 4);
  const ServingRecord record = serve(load, system);
  RC_ASSERT(static_cast<std::int64_t>(record.requests.size()) == load.count);
  RC_ASSERT(!record.stopped);
  const RequestSource source(load.requests);
  double tokens = 0;
  for (std::size_t i = 0; i < record.requests.size(); ++i) {
    const ServedRequest& request = record.requests[i];
    const auto number = static_cast<std::uint32_t>(load.warm_up + static_cast<std::int64_t>(i));
    RC_ASSERT(request.ended);
    RC_ASSERT(request.arrival <= request.start && request.start < request.first_token);
    RC_ASSERT((request.lengths.output == 1) == (request.end == request.first_token));
    RC_ASSERT(request.end >= request.first_token);
    // In brackets: else RapidCheck evaluates both sides.
    RC_ASSERT((i == 0 || request.arrival >= record.requests[i - 1].arrival));
    RC_ASSERT((i == 0 || request.start >= record.requests[i - 1].start));  // first come, first served
    RC_ASSERT(request.lengths.input == source.lengths(number).input);
    RC_ASSERT(request.lengths.output == source.lengths(number).output);
    tokens += static_cast<double>(request.lengths.output);
  }
  RC_ASSERT(record.output_tokens >= tokens);
  RC_ASSERT(record.mean_running() <= static_cast<double>(load.rules.batch) * (1 + 1e-9));
  RC_ASSERT(most_at_once(record.requests, [](const ServedRequest&) { return 1.0; }) <=
            static_cast<double>(load.rules.batch));
  RC_ASSERT(most_at_once(record.requests, [](const ServedRequest& request) {
              return static_cast<double>(request.lengths.input + request.lengths.output);
            }) <= kTokens);
}

// Where everything counts, a token is a request's first one or ends a gap.
RC_GTEST_PROP(Serve, EveryTokenEndsAGapOrIsTheFirst, ()) {
  ServingLoad load = any_load();
  load.warm_up = 0;
  load.requests.rate.reset();
  load.rules.batch = 1;  // with one user nothing but counted requests runs
  const ServingRecord record = serve(load, fake_server());
  RC_ASSERT(record.gaps.size() + load.count == static_cast<std::int64_t>(record.output_tokens));
  double waited = record.gaps.empty() ? 0 : record.gaps.mean().value * static_cast<double>(record.gaps.size());
  for (const ServedRequest& request : record.requests) {
    waited += request.to_first_token().value;
  }
  RC_ASSERT(std::abs(waited - record.span.value) < 1e-9 * record.span.value);
}

void expect_same(const ServingRecord& a, const ServingRecord& b, double tolerance) {
  ASSERT_EQ(a.requests.size(), b.requests.size());
  for (std::size_t i = 0; i < a.requests.size(); ++i) {
    EXPECT_NEAR(a.requests[i].end.value, b.requests[i].end.value, tolerance * a.requests[i].end.value);
  }
  EXPECT_NEAR(a.span / b.span, 1, tolerance);
  EXPECT_EQ(a.steps(), b.steps());
  for (const double fraction : {0.5, 0.9, 0.99}) {
    EXPECT_NEAR(a.gaps.percentile(fraction) / b.gaps.percentile(fraction), 1, tolerance + 1e-12);
  }
}

// The fast way and step by step, with a bent step and with windows, are the same to a thousandth.
TEST(Serve, JumpsAreStepByStep) {
  ServingSystem bent = fake_server();
  bent.step = [](const Batch& batch) {
    double seconds = 0, tokens = 0;
    for (const BatchGroup& group : batch.groups) {
      tokens += group.sequences * group.new_tokens;
      seconds += group.sequences * std::hypot(1e-4, 3e-7 * std::min(group.context, 700.0));
    }
    return Seconds{std::hypot(5e-3, 4e-6 * tokens) + seconds};
  };
  ServingSystem windowed = bent;
  windowed.windows = {{700, false}};
  for (const ServingSystem& system : {bent, windowed}) {
    for (const bool exclusive : {false, true}) {
      ServingLoad load = load_of("gaussian:500:150", "gaussian:200:60", 12);
      load.rules.exclusive = exclusive;
      load.count = 300;
      load.warm_up = 12;
      const ServingRecord fast = serve(load, system);
      load.step_by_step = true;
      expect_same(fast, serve(load, system), 1e-3);
    }
  }
}

// Groups between windows' edges are exact where every request's cost is straight between them.
TEST(Serve, RequestsOnBothSidesOfAWindowAreCostedEachByItsOwn) {
  FakeStep step;
  ServingSystem system = fake_server(step);
  system.step = [step](const Batch& batch) {
    double seconds = step.base;
    for (const BatchGroup& group : batch.groups) {
      seconds += group.new_tokens == 1 ? group.sequences * 1e-7 * std::min(group.context, 100.0) : 0;
    }
    return Seconds{seconds};
  };
  system.windows = {{100, false}};
  ServingLoad load;
  load.requests.trace = {{50, 11}, {190, 11}};
  load.rules.batch = 2;
  load.count = 2;
  // Ten decode steps of both: contexts 50 to 59 and, cut, 100.
  EXPECT_NEAR(serve(load, system).span.value, 11 * step.base + 1e-7 * (545 + 1000), 1e-12);
}

// sim/closed_loop.hpp counts the same loop without running it, with chunks and contexts in the mean.
TEST(Serve, AgreesWithTheClosedFormOfAClosedLoop) {
  const FakeStep step;
  const ServingSystem system = fake_server(step);
  for (const bool mixed : {true, false}) {
    for (const std::int64_t users : {2, 8, 32, 100}) {
      for (const double input : {500.0, 4000.0, 12000.0}) {
        ServingLoad load = load_of(std::to_string(static_cast<int>(input)), "257", users);
        load.rules.exclusive = !mixed;
        load.count = 12 * users;
        load.warm_up = 4 * users;
        const ClosedLoop loop{.concurrency = static_cast<double>(users), .input = input, .output = 257, .mixed = mixed};
        const Seconds closed = closed_loop_tpot(loop, system.step);
        EXPECT_NEAR(serving_figures(serve(load, system)).tpot->mean / closed, 1, 0.1)
            << "mixed " << mixed << ", " << users << " users, prompts of " << input;
      }
    }
  }
}

TEST(Serve, IsTheSameEveryTime) {
  ServingLoad load = load_of("gaussian:500:150", "gaussian:200:60", 12);
  load.requests.rate = PerSecond{5};
  load.count = 500;
  const ServingRecord one = serve(load, fake_server()), two = serve(load, fake_server());
  for (std::size_t i = 0; i < one.requests.size(); ++i) {
    EXPECT_EQ(one.requests[i].end.value, two.requests[i].end.value);
  }
  EXPECT_EQ(one.gaps.percentile(0.9).value, two.gaps.percentile(0.9).value);
}

// A loop that is entered in its middle has its mixed steps from the start, and no step with all prompts.
TEST(Serve, WarmUpBeginsInTheMiddle) {
  ServingLoad load = load_of("1000", "200", 32);
  load.count = 64;
  load.warm_up = 32;
  const ServingRecord middle = serve(load, fake_server());
  EXPECT_GT(middle.mixed_steps, 40);
  load.warm_up = 0;
  EXPECT_LT(serve(load, fake_server()).mixed_steps, 20);
}

TEST(Serve, StopsWhenAsked) {
  ServingLoad load = load_of("100", "50", 4);
  load.count = 100000;
  std::int64_t seen = 0;
  const ServingRecord record = serve(load, fake_server(), [&](std::int64_t ended) {
    seen = ended;
    return ended < 1000;
  });
  EXPECT_TRUE(record.stopped);
  EXPECT_GE(seen, 1000);
  EXPECT_NEAR(record.ended, static_cast<double>(seen), 1);
  EXPECT_GT(serving_figures(record).output_tokens.value, 0);
}

TEST(Serve, Mistakes) {
  ServingLoad load = load_of("100", "50", 4);
  ServingSystem system = fake_server({}, 149);
  EXPECT_NE(user_error([&] { serve(load, system); }).find("request 1 of 100 + 50 tokens does not fit"),
            std::string::npos);
  system = fake_server();
  system.most_context = 149;
  EXPECT_NE(user_error([&] { serve(load, system); }).find("149"), std::string::npos);
  load.rules.batch = 0;
  EXPECT_NE(user_error([&] { serve(load, system); }).find("--batch: 0"), std::string::npos);
  load.rules.batch = 1;
  load.warm_up = -1;
  EXPECT_NE(user_error([&] { serve(load, system); }).find("--warm-up: -1"), std::string::npos);
}

}  // namespace
}  // namespace moesaic
