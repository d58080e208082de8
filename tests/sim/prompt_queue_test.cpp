// unit and property: which prompts a step takes, and in which groups.
#include "sim/prompt_queue.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <map>
#include <numeric>

namespace moesaic {
namespace {

using Requests = std::vector<std::uint32_t>;

/// Adds prompts of these lengths as requests 0, 1, ...
void add(PromptQueue& queue, const std::vector<std::int64_t>& tokens) {
  for (std::uint32_t i = 0; i < tokens.size(); ++i) {
    queue.add(i, tokens[i]);
  }
}

/// Chooses, and returns the groups; `finished`: of the step.
std::vector<BatchGroup> step(PromptQueue& queue, std::int64_t decodes, Requests& finished) {
  Requests begun;
  finished.clear();
  queue.choose(decodes, begun);
  const std::vector<BatchGroup> groups = queue.batch_groups();
  queue.finish_step(finished);
  return groups;
}

// 500 + 300 of 1000 tokens beside 200 decodes; then the other 700 and, as there is room for 100, a part of the third.
TEST(PromptQueue, StepsAreFilledInTurn) {
  const AdmissionRules rules{.step_tokens = 1000};
  PromptQueue queue(rules, 1);
  add(queue, {500, 1000, 400});
  Requests finished;
  auto groups = step(queue, 200, finished);
  EXPECT_EQ(finished, Requests({0}));
  ASSERT_EQ(groups.size(), 2U);  // 500 and 300 tokens lie more than half an octave apart
  EXPECT_EQ(groups[0].new_tokens, 500);
  EXPECT_EQ(groups[1].new_tokens, 300);
  groups = step(queue, 200, finished);
  EXPECT_EQ(finished, Requests({1}));
  EXPECT_EQ(groups[0].context, 300);
  EXPECT_EQ(groups[0].new_tokens, 700);
  EXPECT_EQ(groups[1].context, 0);
  EXPECT_EQ(groups[1].new_tokens, 100);
  groups = step(queue, 200, finished);
  EXPECT_EQ(groups[0].context, 100);
  EXPECT_EQ(finished, Requests({2}));
  EXPECT_TRUE(queue.empty());
}

TEST(PromptQueue, ExclusiveStepsTakeNoNoticeOfDecodes) {
  const AdmissionRules rules{.exclusive = true, .step_tokens = 1000};
  PromptQueue queue(rules, 1);
  add(queue, {1000});
  Requests finished;
  step(queue, 999, finished);
  EXPECT_EQ(finished, Requests({0}));
}

TEST(PromptQueue, WholePromptsWaitForRoomButForTheFirst) {
  const AdmissionRules rules{.whole_prompts = true, .step_tokens = 1000};
  PromptQueue queue(rules, 1);
  add(queue, {5000, 600, 300, 200});
  Requests finished;
  step(queue, 0, finished);
  EXPECT_EQ(finished, Requests({0}));
  step(queue, 0, finished);
  EXPECT_EQ(finished, Requests({1, 2}));
  step(queue, 0, finished);
  EXPECT_EQ(finished, Requests({3}));
}

// Two groups of 1000 tokens: a prompt of 3000 is in one of them, so that short ones go past it.
TEST(PromptQueue, GroupsOfDataParallelAttention) {
  const AdmissionRules rules{.step_tokens = 1000};
  PromptQueue queue(rules, 2);
  add(queue, {3000, 400, 400});
  Requests finished;
  const auto groups = step(queue, 0, finished);
  EXPECT_EQ(finished, Requests({1, 2}));
  ASSERT_EQ(groups.size(), 1U);
  EXPECT_EQ(groups[0].sequences, 3);
  EXPECT_EQ(groups[0].new_tokens, 600);
}

// Equal prompts are one group; near ones have their mean.
TEST(PromptQueue, PromptsOfAboutTheSameLengthAreOneGroup) {
  const AdmissionRules rules{.step_tokens = 100000};
  PromptQueue queue(rules, 1);
  add(queue, {1100, 1100, 1200, 4000});
  Requests finished;
  const auto groups = step(queue, 0, finished);
  ASSERT_EQ(groups.size(), 2U);
  EXPECT_EQ(groups[0].sequences, 3);
  EXPECT_NEAR(groups[0].new_tokens, 3400 / 3.0, 1e-9);
  EXPECT_EQ(groups[1].new_tokens, 4000);
}

RC_GTEST_PROP(PromptQueue, EveryTokenIsWorkedOnOnce, ()) {
  AdmissionRules rules{.exclusive = *rc::gen::arbitrary<bool>(), .whole_prompts = *rc::gen::arbitrary<bool>()};
  rules.step_tokens = *rc::gen::inRange(1, 300);
  const std::int64_t groups = *rc::gen::inRange(1, 4);
  const auto tokens = *rc::gen::nonEmpty(rc::gen::container<std::vector<std::int64_t>>(rc::gen::inRange(1, 500)));
  PromptQueue queue(rules, groups);
  add(queue, tokens);
  std::int64_t worked = 0;
  Requests all_begun, all_finished;
  while (!queue.empty()) {
    const std::int64_t decodes = *rc::gen::inRange(0, 400);
    queue.choose(decodes, all_begun);
    const std::int64_t chosen = queue.chosen_tokens();
    RC_ASSERT(chosen >= 1);
    if (!rules.whole_prompts) {
      RC_ASSERT(chosen <= std::max<std::int64_t>(1, rules.step_tokens * groups - (rules.exclusive ? 0 : decodes)));
    }
    double of_groups = 0;
    for (const BatchGroup& group : queue.batch_groups()) {
      of_groups += group.sequences * group.new_tokens;
    }
    RC_ASSERT(std::abs(of_groups - static_cast<double>(chosen)) < 1e-6);
    worked += chosen;
    queue.finish_step(all_finished);
  }
  RC_ASSERT(worked == std::accumulate(tokens.begin(), tokens.end(), std::int64_t{0}));
  Requests expected(tokens.size());
  std::iota(expected.begin(), expected.end(), 0U);
  RC_ASSERT(all_begun == expected);  // first come, first served
  std::sort(all_finished.begin(), all_finished.end());
  RC_ASSERT(all_finished == expected);
}

}  // namespace
}  // namespace moesaic
