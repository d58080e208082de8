// Pipelines: closed forms where stages are equal, bounds and monotony where they are not, and jumps that change
// nothing.
#include "sim/pipeline.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <numeric>
#include <vector>

#include "tests/user_error.hpp"

namespace moesaic {
namespace {

constexpr ChunkTimes kUneven{{1}, {1.25}, {0.75}, {}};

PipelineProblem equal(PipelineSchedule schedule, int stages, int chunks, std::int64_t micro_batches,
                      const ChunkTimes& times) {
  return {.schedule = schedule,
          .stages = stages,
          .chunks = chunks,
          .micro_batches = micro_batches,
          .times = std::vector<ChunkTimes>(static_cast<std::size_t>(stages) * static_cast<std::size_t>(chunks), times),
          .transfer = {}};
}

Seconds work(const ChunkTimes& times) { return times.forward + times.backward_input + times.backward_weights; }

double bubble(const PipelineProblem& problem) {
  const PipelineTimes times = run_pipeline(problem);
  return (times.total - times.busy.front()).value;
}

/// Whole numbers of seconds, so that nothing is rounded.
PipelineProblem random_problem(PipelineSchedule schedule, bool both_ways = true) {
  const int stages = schedule == PipelineSchedule::dual_pipe ? 2 * *rc::gen::inRange(1, 5) : *rc::gen::inRange(1, 9);
  const int chunks = schedule == PipelineSchedule::interleaved ? *rc::gen::inRange(1, 5) : 1;
  const int rounds = *rc::gen::inRange(1, 12);
  PipelineProblem problem = equal(schedule, stages, chunks, 1, {});
  problem.micro_batches = schedule == PipelineSchedule::interleaved ? rounds * stages
                          : schedule == PipelineSchedule::dual_pipe ? 2 * (stages + rounds)
                                                                    : *rc::gen::inRange(1, 80);
  const bool same = *rc::gen::inRange(0, 3) == 0;
  for (ChunkTimes& times : problem.times) {
    const double f = *rc::gen::inRange(1, 10);
    const double b = *rc::gen::inRange(1, 10);
    const double w = *rc::gen::inRange(0, 10);
    const double longer = std::max(f, b + w);
    times = {{f}, {b}, {w}, {}};
    if (both_ways && schedule == PipelineSchedule::dual_pipe && *rc::gen::inRange(0, 2) == 1) {
      times.both_ways = {longer + *rc::gen::inRange(0, 5)};
      times.both_ways = std::min(times.both_ways, work(times));
    }
  }
  if (same) {
    std::fill(problem.times.begin(), problem.times.end(), problem.times.front());
  }
  problem.transfer = {static_cast<double>(*rc::gen::inRange(0, 4))};
  return problem;
}

class EverySchedule : public testing::TestWithParam<PipelineSchedule> {};
INSTANTIATE_TEST_SUITE_P(Pipeline, EverySchedule,
                         testing::Values(PipelineSchedule::gpipe, PipelineSchedule::one_f_one_b,
                                         PipelineSchedule::interleaved, PipelineSchedule::zero_bubble,
                                         PipelineSchedule::dual_pipe));

// Closed form: 2412.19437 table 2 and 2104.04473 section 2.2, for any counts.
TEST_P(EverySchedule, EqualStagesHaveTheBubbleOfTheFormula) {
  for (const int stages : {2, 4, 6, 8, 16}) {
    for (const std::int64_t rounds : {2, 3, 5, 8}) {
      const int chunks = GetParam() == PipelineSchedule::interleaved ? 3 : 1;
      for (const ChunkTimes& times : {ChunkTimes{{1}, {1}, {1}, {}}, kUneven}) {
        SCOPED_TRACE(testing::Message() << stages << " stages, " << rounds << " rounds");
        const double found = bubble(equal(GetParam(), stages, chunks, rounds * stages, times));
        const double formula = pipeline_bubble(GetParam(), stages, times).value;
        if (GetParam() == PipelineSchedule::dual_pipe && times.forward != times.backward_input) {
          EXPECT_LE(found, formula + 1e-9);  // that of dualpipe takes the three parts as equally long
        } else {
          EXPECT_NEAR(found, formula, 1e-9);
        }
      }
    }
  }
}

// Closed form: what hides in a forward and a backward at once shortens the bubble, too.
TEST(Pipeline, DualPipeHidesOneDirectionBehindTheOther) {
  const ChunkTimes times{{1}, {1}, {1}, {2.5}};
  EXPECT_NEAR(pipeline_bubble(PipelineSchedule::dual_pipe, 8, times).value, 3 * (2.5 + 2 - 3), 1e-12);
  EXPECT_LT(run_pipeline(equal(PipelineSchedule::dual_pipe, 8, 1, 32, times)).total,
            run_pipeline(equal(PipelineSchedule::dual_pipe, 8, 1, 32, {{1}, {1}, {1}, {}})).total);
}

// Closed form: for v chunks a stage the bubble of 1f1b divided by v.
TEST(Pipeline, InterleavingDividesTheBubble) {
  const double whole = bubble(equal(PipelineSchedule::one_f_one_b, 8, 1, 32, {{6}, {6}, {6}, {}}));
  for (const int chunks : {2, 3, 6}) {
    const double part = 6.0 / chunks;
    EXPECT_NEAR(bubble(equal(PipelineSchedule::interleaved, 8, chunks, 32, {{part}, {part}, {part}, {}})),
                whole / chunks, 1e-9);
  }
}

// Closed form: the activations of 2412.19437 table 2, and of the text of 2104.04473.
TEST(Pipeline, HoldsWhatIsPublished) {
  const ChunkTimes times{{1}, {1}, {1}, {}};
  const auto held = [&](PipelineSchedule schedule, int chunks, std::int64_t micro_batches) {
    return run_pipeline(equal(schedule, 4, chunks, micro_batches, times)).in_flight;
  };
  EXPECT_EQ(held(PipelineSchedule::gpipe, 1, 12), (std::vector<double>{12, 12, 12, 12}));
  EXPECT_EQ(held(PipelineSchedule::one_f_one_b, 1, 12), (std::vector<double>{4, 3, 2, 1}));
  EXPECT_EQ(held(PipelineSchedule::one_f_one_b, 1, 2), (std::vector<double>{2, 2, 2, 1}));
  EXPECT_EQ(held(PipelineSchedule::zero_bubble, 1, 12), (std::vector<double>{4, 4, 4, 4}));
  EXPECT_EQ(held(PipelineSchedule::dual_pipe, 1, 12), (std::vector<double>{5, 5, 5, 5}));
  EXPECT_EQ(held(PipelineSchedule::interleaved, 2, 12), (std::vector<double>{11, 9, 7, 5}));
}

// Agreement: jumping over rounds that repeat changes no bit.
RC_GTEST_PROP(PipelineProperty, JumpsAreExact, ()) {
  for (const PipelineSchedule schedule :
       {PipelineSchedule::gpipe, PipelineSchedule::one_f_one_b, PipelineSchedule::interleaved,
        PipelineSchedule::zero_bubble, PipelineSchedule::dual_pipe}) {
    PipelineProblem problem = random_problem(schedule);
    for (ChunkTimes& times : problem.times) {
      times.forward *= 0.1;  // nothing round
    }
    const PipelineTimes fast = run_pipeline(problem);
    const PipelineTimes slow = walk_pipeline(problem);
    RC_ASSERT(fast.total == slow.total);
    RC_ASSERT(fast.busy == slow.busy);
    RC_ASSERT(fast.in_flight == slow.in_flight);
  }
}

// Property: no stage is faster than its work, and no micro-batch than its way through all stages and back.
RC_GTEST_PROP(PipelineProperty, NeverBeatsItsBounds, ()) {
  for (const PipelineSchedule schedule :
       {PipelineSchedule::gpipe, PipelineSchedule::one_f_one_b, PipelineSchedule::interleaved,
        PipelineSchedule::zero_bubble, PipelineSchedule::dual_pipe}) {
    const PipelineProblem problem = random_problem(schedule, false);
    const PipelineTimes times = run_pipeline(problem);
    Seconds way;
    for (const ChunkTimes& chunk : problem.times) {
      way += chunk.forward + chunk.backward_input;
    }
    way += 2.0 * static_cast<double>(problem.times.size() - 1) * (problem.stages > 1 ? problem.transfer : Seconds{});
    RC_ASSERT(times.total >= way);
    for (int stage = 0; stage < problem.stages; ++stage) {
      Seconds all;
      for (int chunk = 0; chunk < problem.chunks; ++chunk) {
        all += work(problem.times[static_cast<std::size_t>(chunk * problem.stages + stage)]);
      }
      all *= static_cast<double>(problem.micro_batches);
      if (schedule == PipelineSchedule::dual_pipe) {
        all = 0.5 * all + 0.5 * static_cast<double>(problem.micro_batches) *
                              work(problem.times[static_cast<std::size_t>(problem.stages - 1 - stage)]);
      }
      RC_ASSERT(std::abs((times.busy[static_cast<std::size_t>(stage)] - all).value) < 1e-9);
      RC_ASSERT(times.total >= all);
    }
  }
}

RC_GTEST_PROP(PipelineProperty, MoreMicroBatchesOnlyAdd, ()) {
  for (const PipelineSchedule schedule :
       {PipelineSchedule::gpipe, PipelineSchedule::one_f_one_b, PipelineSchedule::interleaved,
        PipelineSchedule::zero_bubble, PipelineSchedule::dual_pipe}) {
    PipelineProblem problem = random_problem(schedule);
    const Seconds before = run_pipeline(problem).total;
    problem.micro_batches += schedule == PipelineSchedule::interleaved ? problem.stages
                             : schedule == PipelineSchedule::dual_pipe ? 2
                                                                       : 1;
    RC_ASSERT(run_pipeline(problem).total >= before);
  }
}

RC_GTEST_PROP(PipelineProperty, PuttingWeightGradientsOffIsNeverSlower, ()) {
  PipelineProblem problem = random_problem(PipelineSchedule::one_f_one_b);
  const Seconds together = run_pipeline(problem).total;
  problem.schedule = PipelineSchedule::zero_bubble;
  RC_ASSERT(run_pipeline(problem).total <= together);
}

// Property: what a picture shows never overlaps on a stage and is all the work.
RC_GTEST_PROP(PipelineProperty, SpansAreTheWork, ()) {
  for (const PipelineSchedule schedule :
       {PipelineSchedule::gpipe, PipelineSchedule::one_f_one_b, PipelineSchedule::interleaved,
        PipelineSchedule::zero_bubble, PipelineSchedule::dual_pipe}) {
    const PipelineProblem problem = random_problem(schedule);
    const PipelineTimes times = run_pipeline(problem, true);
    RC_ASSERT(times.total == run_pipeline(problem).total);
    std::vector<Seconds> until(times.busy.size());
    std::vector<Seconds> busy(times.busy.size());
    for (const PipelineSpan& span : times.spans) {
      Seconds& end = until[static_cast<std::size_t>(span.stage)];
      RC_ASSERT(span.start >= end);
      end = span.end;
      busy[static_cast<std::size_t>(span.stage)] += span.end - span.start;
    }
    RC_ASSERT(busy == times.busy);
    RC_ASSERT(*std::max_element(until.begin(), until.end()) == times.total);
  }
}

TEST(Pipeline, SaysWhichCountsWork) {
  const auto message = [](PipelineSchedule schedule, int stages, int chunks, std::int64_t micro_batches) {
    return user_error([&] { return run_pipeline(equal(schedule, stages, chunks, micro_batches, {})); });
  };
  EXPECT_EQ(message(PipelineSchedule::interleaved, 4, 2, 10),
            "pipeline: interleaved needs a multiple of the 4 stages as micro-batches, found 10; 12 works");
  EXPECT_EQ(message(PipelineSchedule::dual_pipe, 3, 1, 12),
            "pipeline: dualpipe needs an even number of stages, found 3; 4 works");
  EXPECT_EQ(message(PipelineSchedule::dual_pipe, 4, 1, 6),
            "pipeline: dualpipe needs an even number of micro-batches, at least two for each of the 4 stages, found 6; "
            "8 works");
  EXPECT_EQ(message(PipelineSchedule::gpipe, 4, 2, 8),
            "pipeline: gpipe has one run of layers a stage, found 2; interleaved has several");
  EXPECT_EQ(message(PipelineSchedule::gpipe, 0, 1, 8),
            "pipeline: stages, chunks and micro-batches are at least 1, found 0, 1 and 8");
}

}  // namespace
}  // namespace moesaic
