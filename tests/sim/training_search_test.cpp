// A search over training steps finds what evaluating everything finds.
#include "sim/training_search.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>

#include "model/mapping_space.hpp"
#include "tests/hw/every_machine.hpp"
#include "tests/model/model_texts.hpp"

namespace moesaic {
namespace {

TrainingSpace space_of(const std::string& model, int devices, const Training& training) {
  TrainingQuestion question;
  question.predictor = std::make_shared<const TrainingPredictor>(preset(model), Precision{}, machine_named("dgx-h100"),
                                                                 default_cost_model());
  question.training = training;
  question.mappings = list_mappings(
      question.predictor->architecture(), question.predictor->machine(),
      {.devices = devices, .copies = false, .only_sequence = true, .most_virtual_stages = 4, .separate = false});
  return TrainingSpace(std::move(question));
}

TrainingSpace usual() { return space_of("mistralai/Mixtral-8x7B-v0.1", 8, {.global_batch = 32, .sequence = 2048}); }
TrainingSpace small() { return space_of("Qwen/Qwen3-1.7B", 8, {.global_batch = 32, .sequence = 2048}); }

std::string hits_text(const std::vector<SearchHit>& hits) {
  std::string text;
  for (const SearchHit& hit : hits) {
    text +=
        fmt::format("{}.{} {:a} {:a}\n", hit.mapping, hit.choice, hit.figures.pace.value, hit.figures.throughput.value);
  }
  return text;
}

/// Property: no step beats the limit of a step with another schedule or less recomputation, by which it is pruned.
TEST(TrainingSearch, BoundsHold) {
  for (const TrainingSpace& space : {small(), usual()}) {
    const auto worker = space.worker();
    std::size_t bounded = 0;
    for (std::size_t mapping = 0; mapping < space.size(); mapping += 3) {
      for (std::size_t choice = worker->open(mapping).choices; choice-- > 0;) {
        const SearchFigures bound = worker->bound(choice), figures = worker->evaluate(choice).figures;
        EXPECT_GE(figures.pace, bound.pace) << mapping << ' ' << choice;
        EXPECT_LE(figures.throughput, bound.throughput);
        bounded += bound.pace > Seconds{0} ? 1 : 0;
      }
    }
    EXPECT_GT(bounded, 100U);
  }
}

/// Agreement: pruning changes nothing that is found.
TEST(TrainingSearch, PrunedIsExhaustive) {
  const TrainingSpace space = small();
  const SearchOutcome pruned = search(space, {});
  const SearchOutcome all = search(space, {.prune = false});
  EXPECT_EQ(hits_text(pruned.best), hits_text(all.best));
  EXPECT_EQ(hits_text(pruned.front), hits_text(all.front));
  EXPECT_FALSE(all.best.empty());
  EXPECT_EQ(pruned.counts.mappings, all.counts.mappings);
}

/// Property: plain data parallelism is one of the candidates, and no better than the best.
TEST(TrainingSearch, BeatsDataParallelism) {
  const TrainingSpace space = small();
  const SearchHit best = search(space, {}).best.front();
  const Training plain = {.global_batch = 32, .sequence = 2048};
  const TrainingPrediction prediction = space.question().predictor->predict({.data = 8}, plain);
  ASSERT_TRUE(prediction.memory.fits());
  EXPECT_GE(best.figures.throughput.value, prediction.tokens.value / 8 * (1 - 1e-12));
}

/// Unit: only what fits is found, and the parts of a step add up to what was compared.
TEST(TrainingSearch, RowsFitAndAddUp) {
  const TrainingSpace space = small();
  const SearchOutcome outcome = search(space, {});
  for (const SearchHit& hit : outcome.best) {
    const SearchRow row = space.row(hit, SearchObjective::throughput);
    EXPECT_LE(row.memory, row.capacity);
    double seconds = 0;
    for (const SearchCost& cost : row.costs) {
      seconds += cost.seconds.value;
    }
    EXPECT_NEAR(seconds * row.figures.throughput.value, 1, 1e-9);
    EXPECT_NEAR(space.prediction(hit).step / row.figures.pace, 1, 1e-12);
  }
}

/// Unit: a fixed choice is the only one.
TEST(TrainingSearch, KeepsWhatIsFixed) {
  TrainingQuestion question = usual().question();
  question.any_micro_batch = question.any_recompute = question.any_zero = question.any_schedule = false;
  question.training.micro_batch = 2;
  question.training.recompute = Recompute::selective;
  const TrainingSpace space(std::move(question));
  for (std::size_t mapping = 0; mapping < space.size(); ++mapping) {
    const std::vector<Training> choices = space.choices(mapping);
    EXPECT_LE(choices.size(), 1U);
    for (const Training& choice : choices) {
      EXPECT_EQ(choice.micro_batch, 2);
      EXPECT_EQ(choice.recompute, Recompute::selective);
      EXPECT_EQ(choice.zero, ZeroStage::optimizer);
    }
  }
}

}  // namespace
}  // namespace moesaic
