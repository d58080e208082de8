// A search finds what evaluating everything finds.
#include "sim/search.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>
#include <tbb/global_control.h>

#include "model/mapping_space.hpp"
#include "sim/search_rows.hpp"
#include "sim/serving_search.hpp"
#include "tests/model/draw.hpp"
#include "tests/model/model_texts.hpp"
#include "tests/sim/scenario.hpp"

namespace moesaic {
namespace {

ServingQuestion question_of(const Deployment& deployed, const Load& load, const std::string& routing, int devices) {
  const StepPlan& plan = deployed.plan;
  ServingQuestion question{.architecture = plan.architecture(),
                           .precision = plan.precision(),
                           .machine = plan.machine(),
                           .placement = plan.placement_pointer(),
                           .cost = deployed.cost,
                           .routing = routing,
                           .load = load,
                           .batch = std::nullopt,
                           .devices = devices,
                           .mappings = {}};
  question.mappings = list_mappings(plan.architecture(), plan.machine(), {.devices = devices, .separate = false});
  return question;
}

/// Random networks on machines with random figures, on up to eight of their devices.
ServingSpace any_space(const std::vector<std::string>& placements = {"resident", "resident", "two-unit"}) {
  const Scenario scenario = any_scenario({.placements = placements, .most_batch = 40});
  int devices = 1;
  while (2 * devices <= std::min(scenario.deployment.plan.machine().devices, 8)) {
    devices *= 2;
  }
  ServingQuestion question = question_of(scenario.deployment, scenario.load, scenario.routing, devices);
  if (coin()) {
    question.batch = scenario.load.batch;
  }
  RC_LOG() << scenario.text << ", " << question.mappings.size() << " mappings\n";
  return ServingSpace(std::move(question));
}

ServingSpace shipped(const std::string& model, const std::string& machine, int devices) {
  return ServingSpace(question_of(deployment(model, machine, {}, "resident",
                                             load_cost_model("measured", read_machine(load_machine_config(machine)))),
                                  {.batch = 1, .input = 512, .output = 128}, "uniform", devices));
}

std::string text(const std::vector<SearchHit>& hits) {
  std::string text;
  for (const SearchHit& hit : hits) {
    text += fmt::format("{}.{} {:a} {:a} {:a}\n", hit.mapping, hit.choice, hit.figures.pace.value,
                        hit.figures.first.value, hit.figures.throughput.value);
  }
  return text;
}

std::string text(const SearchOutcome& outcome) {
  const SearchCounts& counts = outcome.counts;
  return fmt::format("{}--\n{}{} {} {} {} {} {}\n", text(outcome.best), text(outcome.front), counts.mappings,
                     counts.refused, counts.too_large, counts.evaluated, counts.pruned, counts.unfit);
}

SearchGoal any_goal() {
  SearchGoal goal;
  goal.objective = any_of({SearchObjective::throughput, SearchObjective::pace, SearchObjective::first});
  if (coin()) {
    goal.most_pace = Seconds{1e-4 * static_cast<double>(up_to(1000))};
  }
  if (coin()) {
    goal.most_first = Seconds{1e-2 * static_cast<double>(up_to(1000))};
  }
  return goal;
}

/// Agreement: pruning changes nothing that is found.
RC_GTEST_PROP(Search, PrunedIsExhaustive, ()) {
  const ServingSpace space = any_space();
  SearchGoal goal = any_goal();
  const SearchOutcome pruned = search(space, goal);
  goal.prune = false;
  const SearchOutcome all = search(space, goal);
  RC_ASSERT(text(pruned.best) == text(all.best));
  RC_ASSERT(text(pruned.front) == text(all.front));
  RC_ASSERT(all.counts.pruned == 0U);
  RC_ASSERT(pruned.counts.candidates() == all.counts.candidates());
}

/// Property: no candidate beats the bound that it would be pruned by.
RC_GTEST_PROP(Search, BoundsHold, ()) {
  const ServingSpace space = any_space();
  const auto worker = space.worker();
  for (std::size_t mapping = 0; mapping < space.size(); ++mapping) {
    const OpenedMapping opened = worker->open(mapping);
    for (std::size_t choice = 0; choice < opened.choices; ++choice) {
      const SearchFigures bound = worker->bound(choice), figures = worker->evaluate(choice).figures;
      RC_ASSERT(figures.pace >= bound.pace);
      RC_ASSERT(figures.first >= bound.first);
      RC_ASSERT(figures.throughput <= bound.throughput);
    }
  }
}

/// Agreement: steps put together from remembered parts are the steps that predict() evaluates whole, whatever was
/// remembered before.
RC_GTEST_PROP(Search, FiguresAreThoseOfPredictions, ()) {
  const ServingSpace space = any_space({"resident", "two-unit", "resident", "streamed"});
  const auto worker = space.worker();
  for (std::size_t mapping = 0; mapping < space.size(); mapping += 1 + space.size() / 30) {
    const OpenedMapping opened = worker->open(mapping);
    for (std::size_t choice = 0; choice < opened.choices; choice += 1 + opened.choices / 3) {
      const SearchFigures figures = worker->evaluate(choice).figures;
      const Prediction whole = predict(space.deployment(mapping), space.load({mapping, choice, {}}));
      RC_LOG() << whole.mapping << " at batch " << whole.load.batch << "\n";
      RC_ASSERT(whole.fits);
      RC_ASSERT(std::abs(figures.pace / whole.tpot - 1) < 1e-9);
      RC_ASSERT(std::abs(figures.first / whole.ttft - 1) < 1e-9);
      RC_ASSERT(std::abs(figures.throughput / whole.output_tokens_per_device - 1) < 1e-9);
    }
  }
}

TEST(Search, IsTheSameOnAnyNumberOfThreads) {
  const ServingSpace space = shipped("mistralai/Mixtral-8x7B-v0.1", "dgx-h100", 8);
  const std::string usual = text(search(space, {}));
  for (const std::size_t threads : {1, 2, 5}) {
    const tbb::global_control control(tbb::global_control::max_allowed_parallelism, threads);
    EXPECT_EQ(text(search(space, {})), usual) << threads;
  }
}

/// Property: nothing that is listed is better than the best, the mapping used when none is given among it.
TEST(Search, BeatsTheDefaultMapping) {
  for (const char* model : {"mistralai/Mixtral-8x7B-v0.1", "deepseek-ai/DeepSeek-V2-Lite", "meta-llama/Llama-3.1-8B"}) {
    const ServingSpace space = shipped(model, "dgx-h100", 8);
    const double best = search(space, {}).best.front().figures.throughput.value;
    const Mapping usual = default_mapping(space.question().architecture, 8);
    const auto& mappings = space.question().mappings;
    const auto at = std::find(mappings.begin(), mappings.end(), usual);
    ASSERT_NE(at, mappings.end());
    const auto mapping = static_cast<std::size_t>(at - mappings.begin());
    Load load = space.question().load;
    for (load.batch = 1; load.batch <= 1024; load.batch *= 2) {
      const Prediction prediction = predict(space.deployment(mapping), load);
      EXPECT_TRUE(!prediction.fits || prediction.output_tokens_per_device.value <= best * (1 + 1e-9)) << load.batch;
    }
  }
}

/// Property: twice the devices hold two copies of whatever was best, and twice the memory holds what fitted.
TEST(Search, MoreIsNeverWorse) {
  double before = 0;
  for (const int devices : {1, 2, 4, 8}) {
    const auto best = search(shipped("deepseek-ai/DeepSeek-V2-Lite", "dgx-h100", devices), {}).best;
    EXPECT_GE(best.front().figures.throughput.value, before) << devices;
    before = best.front().figures.throughput.value;
  }
  ServingQuestion question = shipped("mistralai/Mixtral-8x7B-v0.1", "dgx-h100", 4).question();
  double less = 0;
  for (const double capacity : {64e9, 80e9, 141e9, 288e9}) {
    question.machine.device.memory.capacity = Bytes{capacity};
    const double best = search(ServingSpace(question), {}).best.front().figures.throughput.value;
    EXPECT_GE(best, less * 0.97) << capacity;  // the largest batch of a smaller memory need be no power of two
    less = best;
  }
}

/// Property: a tighter limit on times leaves less, and the best of it no better.
TEST(Search, TighterLimitsLeaveLess) {
  const ServingSpace space = shipped("mistralai/Mixtral-8x7B-v0.1", "dgx-h100", 8);
  double before = 1e300;
  std::size_t listed = 1U << 20;
  for (const double limit : {1.0, 0.05, 0.02, 0.01, 0.006}) {
    SearchGoal goal;
    goal.top = 1000;
    goal.most_pace = Seconds{limit};
    const SearchOutcome outcome = search(space, goal);
    ASSERT_FALSE(outcome.best.empty()) << limit;
    EXPECT_LE(outcome.best.front().figures.throughput.value, before);
    EXPECT_LE(outcome.best.size(), listed);
    for (const SearchHit& hit : outcome.best) {
      EXPECT_LE(hit.figures.pace.value, limit);
    }
    before = outcome.best.front().figures.throughput.value;
    listed = outcome.best.size();
  }
}

/// Unit: costs add up to what was compared, and differences of costs to the difference.
TEST(Search, CostsAddUp) {
  const ServingSpace space = shipped("mistralai/Mixtral-8x7B-v0.1", "dgx-h100", 8);
  for (const auto objective : {SearchObjective::throughput, SearchObjective::pace, SearchObjective::first}) {
    SearchGoal goal;
    goal.objective = objective;
    const SearchOutcome outcome = search(space, goal);
    const SearchRow one = serving_row(space, outcome.best[0], objective);
    const SearchRow two = serving_row(space, outcome.best[1], objective);
    const auto sum = [](const std::vector<SearchCost>& costs) {
      double seconds = 0;
      for (const SearchCost& cost : costs) {
        seconds += cost.seconds.value;
      }
      return seconds;
    };
    EXPECT_NEAR(sum(one.costs) * score(one.figures, objective), 1, 1e-9);
    EXPECT_NEAR(sum(cost_differences(two, one)), sum(two.costs) - sum(one.costs), 1e-9 * sum(two.costs));
  }
}

/// Unit: a watch that has seen enough stops the search, and what was found remains.
TEST(Search, StopsWhenToldTo) {
  const ServingSpace space = shipped("mistralai/Mixtral-8x7B-v0.1", "dgx-h100", 8);
  const SearchOutcome outcome = search(space, {}, [](const SearchProgress&) { return false; });
  EXPECT_TRUE(outcome.stopped);
  EXPECT_LT(outcome.counts.mappings, space.size());
  EXPECT_FALSE(outcome.best.empty());
}

/// Unit: where nothing fits, the mapping that lacks least is named.
TEST(Search, NamesTheNearestFit) {
  const ServingSpace space = shipped("deepseek-ai/DeepSeek-V3", "dgx-h100", 4);
  const SearchOutcome outcome = search(space, {});
  EXPECT_TRUE(outcome.best.empty());
  ASSERT_TRUE(outcome.nearest_fit);
  EXPECT_GT(outcome.missing, Bytes{0});
  const ReplicaMemory memory =
      predict(space.deployment(*outcome.nearest_fit), space.smallest_load(*outcome.nearest_fit)).memory;
  EXPECT_EQ(memory.device.total() - memory.device.capacity, outcome.missing);
  EXPECT_EQ(space.question().mappings[*outcome.nearest_fit].devices(), 4);
}

}  // namespace
}  // namespace moesaic
