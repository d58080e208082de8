// A search for a placement finds what evaluating everything finds, and more of a machine is never worse.
#include "sim/offload_search.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <tbb/global_control.h>

#include "base/error.hpp"
#include "hw/figures.hpp"
#include "sim/offload_rows.hpp"

namespace moesaic {
namespace {

OffloadQuestion question_of(const std::string& model, const std::string& machine, const std::string& types = "",
                            std::optional<std::int64_t> batch = 1) {
  OffloadQuestion question;
  question.architecture = read_architecture(load_model_config(model));
  question.precision = parse_precision(types, question.architecture.precision);
  question.machine = read_machine(load_machine_config(machine));
  question.cost = load_cost_model("default", question.machine);
  question.load = {.batch = 1, .input = 512, .output = 64};
  question.batch = batch;
  return question;
}

std::string text(const OffloadOutcome& outcome) {
  std::string text;
  for (const auto* candidates : {&outcome.best, &outcome.of_kinds}) {
    for (const OffloadCandidate& one : *candidates) {
      text += fmt::format("{} {:a} {:a} {:a} {} {} {} {:a}\n", to_text(one.kind), one.figures.pace.value,
                          one.figures.first.value, one.figures.throughput.value, one.load.batch, one.load.step_tokens,
                          one.description.batches, one.description.experts_on_device);
    }
  }
  return text;
}

double best_score(const OffloadQuestion& question, SearchObjective objective) {
  const OffloadOutcome outcome = search_offload(question, {.objective = objective, .top = 1});
  return outcome.best.empty() ? 0 : score(outcome.best.front().figures, objective);
}

constexpr double kOffloadRounding = 1 + 1e-9;

/// Agreement: figures of candidates are those of predict(), they fit, and the best is no worse than any.
TEST(OffloadSearch, CandidatesAreWhatPredictSays) {
  for (const std::optional<std::int64_t> batch : {std::optional<std::int64_t>(1), std::optional<std::int64_t>(24)}) {
    const OffloadQuestion question = question_of("Mixtral-8x7B", "desktop-4090", "", batch);
    const SearchObjective objective = batch == 1 ? SearchObjective::pace : SearchObjective::throughput;
    const OffloadOutcome outcome = search_offload(question, {.objective = objective});
    ASSERT_EQ(outcome.best.size(), 10U);
    EXPECT_GE(outcome.of_kinds.size(), 6U);
    for (const auto* candidates : {&outcome.best, &outcome.of_kinds}) {
      for (const OffloadCandidate& one : *candidates) {
        const Prediction prediction = offload_row(question, one).prediction;
        EXPECT_TRUE(prediction.fits);
        EXPECT_EQ(one.load.batch, *batch);
        EXPECT_NEAR(prediction.tpot / one.figures.pace, 1, 1e-9);
        EXPECT_NEAR(prediction.ttft / one.figures.first, 1, 1e-9);
        EXPECT_NEAR(prediction.output_tokens / one.figures.throughput, 1, 1e-9);
        EXPECT_LE(score(one.figures, objective), score(outcome.best.front().figures, objective));
        EXPECT_GE(one.figures.pace, prediction.decode.limit.seconds * (1 / kOffloadRounding));
      }
    }
  }
}

/// Property: the best of all kinds is the best of one of them, whatever is pruned and however many threads there are.
TEST(OffloadSearch, SameOutcomeOnAnyNumberOfThreads) {
  const OffloadQuestion question = question_of("Mixtral-8x7B", "desktop-4090", "weights=int4", std::nullopt);
  SearchGoal goal{.objective = SearchObjective::throughput};
  const std::string two = text(search_offload(question, goal));
  const tbb::global_control one(tbb::global_control::max_allowed_parallelism, 1);
  EXPECT_EQ(text(search_offload(question, goal)), two);
  goal.prune = false;
  EXPECT_EQ(text(search_offload(question, goal)), two);
}

/// Property: shares are the largest: one expert more of the best would not fit.
TEST(OffloadSearch, SharesAreTheLargest) {
  const OffloadQuestion question = question_of("Qwen3-30B-A3B", "desktop-4090", "", 1);
  const OffloadOutcome outcome = search_offload(question, {.objective = SearchObjective::pace});
  for (const OffloadCandidate& one : outcome.of_kinds) {
    if (one.description.on_host || one.kind == OffloadKind::resident) {
      continue;
    }
    const OffloadRow row = offload_row(question, one);
    EXPECT_NEAR(one.description.experts_on_device * row.experts, row.experts_on_device, 1e-6);
    HybridDescription more = one.description;
    more.experts_on_device += 1 / row.experts;
    const Deployment deployment = deployment_of(question, more);
    EXPECT_FALSE(Predictor(deployment).times(one.load).fits) << to_text(one.kind);
  }
}

/// Property: everything on the device is best where it fits and the device's memory is the fastest.
TEST(OffloadSearch, ResidentWinsWithMemoryForAll) {
  OffloadQuestion question = question_of("Mixtral-8x7B", "desktop-4090");
  EXPECT_NE(search_offload(question, {.objective = SearchObjective::pace}).best.front().kind, OffloadKind::resident);
  question.machine.device.memory.capacity = Bytes{1e12};
  const OffloadCandidate best = search_offload(question, {.objective = SearchObjective::pace}).best.front();
  EXPECT_EQ(best.kind, OffloadKind::resident);
  EXPECT_EQ(best.description.cache_on_device, 1);
}

/// Property: more memory, or a faster host or link, never makes the best worse: what there was is still there, and no
/// kernel or copy takes longer.
TEST(OffloadSearch, MoreOfAMachineIsNeverWorse) {
  struct Case {
    const char* types;
    std::int64_t batch;
    SearchObjective objective;
    double device;
  };
  for (const Case& one : {Case{"weights=int4", 1, SearchObjective::pace, 11e9},
                          Case{"weights=fp8", 6, SearchObjective::throughput, 18e9}}) {
    OffloadQuestion question = question_of("Qwen3-30B-A3B", "desktop-4090", one.types, one.batch);
    question.machine.device.memory.capacity = Bytes{one.device};
    const double before = best_score(question, one.objective);
    for (const double factor : {1.03, 1.8}) {
      for (const char* figure : {"host.memory.bandwidth", "device.host_link.bandwidth", "device.memory.bandwidth"}) {
        OffloadQuestion more = question;
        more.machine = scale_figure(question.machine, figure, factor);
        EXPECT_GE(best_score(more, one.objective) * kOffloadRounding, before) << figure << " x " << factor;
      }
      OffloadQuestion more = question;
      more.machine.device.memory.capacity = question.machine.device.memory.capacity * factor;
      EXPECT_GT(best_score(more, one.objective), before) << "device memory x " << factor;
      more = question;
      more.machine.host->memory.capacity = question.machine.host->memory.capacity * factor;
      EXPECT_GE(best_score(more, one.objective), before) << "host memory x " << factor;
    }
  }
}

/// Unit: drives take what the host's memory does not, and cost time.
TEST(OffloadSearch, DrivesHoldTheRest) {
  OffloadQuestion question = question_of("Qwen3-30B-A3B", "desktop-5090");
  question.machine.device.memory.capacity = Bytes{20e9};
  const double in_memory = best_score(question, SearchObjective::pace);
  question.machine.host->memory.capacity = Bytes{20e9};
  const OffloadCandidate best = search_offload(question, {.objective = SearchObjective::pace}).best.front();
  EXPECT_GT(best.description.weights_on_storage, 0);
  EXPECT_FALSE(best.description.on_host);
  EXPECT_LT(1 / best.figures.pace.value, in_memory);
  question.machine.host->storage.reset();
  const OffloadOutcome none = search_offload(question, {.objective = SearchObjective::pace});
  EXPECT_TRUE(none.best.empty());
  // 61 GB of weights; the device's memory and the host's hold 40 GB of them at most.
  EXPECT_GT(none.missing, Bytes{20e9});
  EXPECT_EQ(smaller_type_that_fits(question), "weights=fp8");
}

/// Unit: dense networks can be streamed or divided by layers.
TEST(OffloadSearch, NetworksWithoutExperts) {
  const OffloadOutcome outcome = search_offload(question_of("Llama-3.1-70B", "desktop-4090", "weights=int4"),
                                                {.objective = SearchObjective::pace});
  EXPECT_EQ(outcome.of_kinds.size(), 3U);  // streamed, layers divided, everything on the host
}

TEST(OffloadSearch, NeedsAHost) {
  try {
    search_offload(question_of("Mixtral-8x7B", "rtx-4090"), {});
    FAIL();
  } catch (const UserError& error) {
    EXPECT_NE(std::string(error.what()).find("desktop-4090"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace moesaic
