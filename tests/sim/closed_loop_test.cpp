// closed form and agreement: the steps of a closed loop, counted by hand and by running the loop step by step.
#include "sim/closed_loop.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>
#include <vector>

namespace moesaic {
namespace {

/// A step that costs a base, more for every decoding request, for its context, and for every prompt token.
Seconds step_time(const Batch& batch) {
  double seconds = 5e-3;
  for (const BatchGroup& group : batch.groups) {
    seconds += group.new_tokens == 1 ? group.sequences * (2e-5 + 1e-8 * group.context)
                                     : group.sequences * group.new_tokens * 3e-6;
  }
  return Seconds{seconds};
}

/// Runs a loop of users step by step and returns the mean time between tokens of the requests of its second half.
double simulate(const ClosedLoop& loop, int requests) {
  struct User {
    double prompt_left = 0;
    double tokens = 0;
    double first = 0;
  };
  std::vector<User> users(static_cast<std::size_t>(loop.concurrency));
  std::vector<double> tpots;
  double now = 0;
  // Users start out of step, as they are after a while.
  for (std::size_t i = 0; i < users.size(); ++i) {
    users[i].tokens = 1 + std::floor((loop.output - 1) * static_cast<double>(i) / loop.concurrency);
    users[i].first = -1;  // not a whole request: not counted
  }
  int done = 0;
  while (done < requests) {
    Batch batch;
    std::vector<User*> finished_prompts, decoded;
    double room = loop.step_tokens;
    bool prompts = false;
    for (User& user : users) {
      prompts |= user.tokens == 0;
    }
    if (loop.mixed || !prompts) {
      for (User& user : users) {
        if (user.tokens > 0) {
          batch.groups.push_back({1, 1, loop.input + user.tokens});
          decoded.push_back(&user);
          room -= loop.mixed ? 1 : 0;
        }
      }
    }
    if (prompts) {
      for (User& user : users) {
        if (user.tokens == 0 && room > 0) {
          const double chunk = std::min(room, user.prompt_left);
          batch.groups.push_back({1, std::max(chunk, 2.0), loop.input - user.prompt_left});
          user.prompt_left -= chunk;
          room -= chunk;
          if (user.prompt_left <= 0) {
            finished_prompts.push_back(&user);
          }
        }
      }
    }
    now += step_time(batch).value;
    for (User* user : decoded) {
      if (++user->tokens >= loop.output) {
        if (user->first >= 0 && ++done > requests / 2) {
          tpots.push_back((now - user->first) / (loop.output - 1));
        }
        *user = {loop.input, 0, 0};
      }
    }
    for (User* user : finished_prompts) {
      user->tokens = 1;
      user->first = now;
    }
  }
  return std::accumulate(tpots.begin(), tpots.end(), 0.0) / static_cast<double>(tpots.size());
}

TEST(ClosedLoop, OneUserOnlyDecodes) {
  const auto steps = closed_loop_steps({.concurrency = 1, .input = 1000, .output = 101});
  ASSERT_EQ(steps.size(), 1u);
  EXPECT_EQ(steps[0].weight, 1);
  EXPECT_EQ(steps[0].batch.sequences(), 1);
  EXPECT_EQ(steps[0].batch.groups[0].context, 1050.5);
}

TEST(ClosedLoop, CountsByHand) {
  // 11 users, prompts of one step, 100 decode steps each: of 10 others 100/101 decode, and 10/101 of the steps that a
  // request sees hold another's prompt.
  const auto steps = closed_loop_steps({.concurrency = 11, .input = 1000, .output = 101});
  ASSERT_EQ(steps.size(), 2u);
  EXPECT_NEAR(steps[1].weight, 10 / 101.0, 1e-12);
  EXPECT_NEAR(steps[0].weight, 91 / 101.0, 1e-12);
  EXPECT_NEAR(steps[0].batch.sequences(), 1 + 1000 / 101.0, 1e-12);
  EXPECT_EQ(steps[1].batch.groups[1].new_tokens, 1000);
}

TEST(ClosedLoop, LongPromptsComeInChunks) {
  // 20,000 tokens in steps of 8192 less 2 decoding: 3 chunks, which start at 0, 1/3 and 2/3 of the prompt.
  const auto steps = closed_loop_steps({.concurrency = 2, .input = 20000, .output = 1001});
  ASSERT_EQ(steps.size(), 2u);
  EXPECT_NEAR(steps[1].weight, 3 / 1003.0, 1e-12);
  EXPECT_NEAR(steps[1].batch.groups[1].new_tokens, 20000 / 3.0, 1e-9);
  EXPECT_NEAR(steps[1].batch.groups[1].context, 20000 / 3.0, 1e-9);
}

TEST(ClosedLoop, AgreesWithRunningIt) {
  for (const bool mixed : {true, false}) {
    for (const double concurrency : {2.0, 8.0, 32.0, 100.0}) {
      for (const double input : {500.0, 4000.0, 12000.0}) {
        for (const double output : {129.0, 1025.0}) {
          const ClosedLoop loop{.concurrency = concurrency, .input = input, .output = output, .mixed = mixed};
          const double closed = closed_loop_tpot(loop, step_time).value;
          const double run = simulate(loop, static_cast<int>(concurrency) * 12);
          EXPECT_NEAR(closed / run, 1, 0.10) << "mixed " << mixed << " users " << concurrency << " " << input << "/"
                                             << output << ": " << closed << " against " << run;
        }
      }
    }
  }
}

TEST(ClosedLoop, MoreUsersNeverWaitLess) {
  double last = 0;
  for (double users = 1; users <= 512; users *= 2) {
    const double tpot = closed_loop_tpot({.concurrency = users, .input = 2000, .output = 257}, step_time).value;
    EXPECT_GE(tpot, last) << users;
    last = tpot;
  }
}

}  // namespace
}  // namespace moesaic
