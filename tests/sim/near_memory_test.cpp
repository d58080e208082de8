// What must hold of a unit beside the memory, by the time and energy of whole steps.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <utility>
#include <variant>

#include "tests/sim/rounding.hpp"
#include "tests/sim/units.hpp"
#include "tests/user_error.hpp"

namespace moesaic {
namespace {

using namespace units;

TEST(NearMemory, AUnitLikeTheProcessorIsAPlainDevice) {
  Machine machine = machine_named("duplex-4");
  Unit& unit = machine.device.units[1];
  unit.peak = machine.device.units[0].peak;
  unit.memory_bandwidth = machine.device.memory.bandwidth;
  unit.scores_on_chip = false;
  for (const char* model : kNearMemoryModels) {
    for (const Batch& batch : {kBatches[0], kBatches[1], kBatches[2]}) {
      const double plain = step(model, resident_placement(), batch, machine);
      for (const UnitChoice choice : {UnitChoice::near_memory, UnitChoice::faster}) {
        const double both = step(model, near_memory_placement(described(choice, choice, choice)), batch, machine);
        EXPECT_NEAR(both / plain, 1, kRounding) << model;
      }
    }
  }
}

TEST(NearMemory, AUnitThatIsAlwaysSlowerIsNotUsed) {
  Machine machine = machine_named("duplex-4");
  Unit& unit = machine.device.units[1];
  for (FlopsPerSecond& peak : unit.peak) {
    peak = peak * 1e-3;
  }
  unit.memory_bandwidth = machine.device.memory.bandwidth * 0.5;
  const auto placement =
      near_memory_placement(described(UnitChoice::faster, UnitChoice::co_processed, UnitChoice::faster));
  for (const char* model : {"Llama-3.1-8B", "DeepSeek-V2-Lite"}) {
    const Architecture architecture = preset(model);
    const StepPlan plan(architecture, architecture.precision, machine, {}, placement);
    for (const Batch& batch : kBatches) {
      const StepGraph graph = build_step(plan, batch);
      for (const Task& task : graph.tasks) {
        // Experts may still be divided: half of the bandwidth more is worth having where little is computed.
        EXPECT_TRUE(task.communication || task.unit == 0 || task.op.kind == OperatorKind::experts) << task.op.label;
      }
    }
  }
}

/// With attention near the memory and experts as chosen.
double step_with(UnitChoice experts, const std::string& model, const Batch& batch) {
  return step(model, near_memory_placement(described(UnitChoice::near_memory, experts)), batch);
}

/// A choice for each expert is at least as good as one for all, but for `tolerance`.
void expect_never_slower(UnitChoice choice, double tolerance) {
  for (const char* model : {"Mixtral-8x7B", "DeepSeek-V2-Lite", "Qwen3-30B"}) {
    for (const Batch& batch : kBatches) {
      const double processor = step_with(UnitChoice::processor, model, batch);
      const double memory = step_with(UnitChoice::near_memory, model, batch);
      EXPECT_LE(step_with(choice, model, batch), std::min(processor, memory) * (1 + tolerance)) << model;
    }
  }
}

TEST(NearMemory, CoProcessingIsNeverSlowerThanTheBetterUnit) {
  expect_never_slower(UnitChoice::co_processed, 1e-3);  // both units' results are added
}

TEST(NearMemory, TheFasterUnitOfEachExpertIsNeverSlower) {
  expect_never_slower(UnitChoice::faster, 1e-6);
  // With 32 tokens for each of eight experts some are sooner here and some there.
  const auto of_many = [](UnitChoice experts) { return step_with(experts, "Mixtral-8x7B", Batch::decode(128, 300)); };
  EXPECT_LT(of_many(UnitChoice::faster),
            0.97 * std::min(of_many(UnitChoice::processor), of_many(UnitChoice::near_memory)));
}

TEST(NearMemory, ScoresOnTheChipSaveTheirTraffic) {
  Machine machine = machine_named("duplex-4");
  const auto placement = near_memory_placement(described(UnitChoice::near_memory, UnitChoice::processor));
  const double on_chip = step("Llama-3.1-8B", placement, Batch::decode(64, 4000), machine);
  machine.device.units[1].scores_on_chip = false;
  const double in_memory = step("Llama-3.1-8B", placement, Batch::decode(64, 4000), machine);
  // 32 layers, 32 heads, 64 sequences, 4,001 tokens, 2 bytes, written and read of keys' and values' products.
  EXPECT_NEAR(in_memory - on_chip, 32 * 32 * 64 * 4001 * 2 * 2 / 13.408e12, 1e-9);
}

TEST(NearMemory, AUnitThatKeepsFewQueriesReadsTheCacheAgain) {
  Machine machine = machine_named("duplex-4");
  const auto placement = near_memory_placement(described(UnitChoice::near_memory, UnitChoice::processor));
  const double once = step("Llama-3.1-8B", placement, Batch::decode(64, 4000), machine);
  // 32 layers, 8 groups of 4 heads, 64 sequences, 4,001 tokens, keys and values of 128, 2 bytes.
  const double pass = 32.0 * 8 * 64 * 4001 * 2 * 128 * 2 / 13.408e12;
  for (const auto& [queries, passes] : {std::pair(1, 4), std::pair(2, 2), std::pair(3, 2), std::pair(4, 1)}) {
    machine.device.units[1].queries_per_read = queries;
    EXPECT_NEAR(step("Llama-3.1-8B", placement, Batch::decode(64, 4000), machine) - once, (passes - 1) * pass, 1e-9);
  }
  // All 16 heads of DeepSeek-V2-Lite share one latent.
  machine.device.units[1].queries_per_read = 8;
  const Architecture latent = preset("DeepSeek-V2-Lite");
  const StepPlan plan(latent, latent.precision, machine, {}, placement);
  for (const Task& task : build_step(plan, Batch::decode(64, 4000)).tasks) {
    if (const auto* scores = std::get_if<SoftmaxScores>(&task.op.shape)) {
      EXPECT_EQ(scores->passes, 2);
      EXPECT_DOUBLE_EQ(task.work.kv.value, 2.0 * 64 * 4001 * 576 * 2);
    }
  }
}

// Seconds of all tasks of a step's layers on `unit`, executions counted.
double busy_on(const StepPlan& plan, const StepGraph& graph, std::size_t unit, const CostModel& cost) {
  double seconds = 0;
  for (const LayerGraph& layer : graph.layers) {
    for (const Task& task : graph.tasks_of(layer)) {
      seconds +=
          !task.communication && task.unit == unit ? cost.cost(task, plan.view()).busy.value * layer.executions : 0;
    }
  }
  return seconds;
}

// The columns of a dense layer's feed-forward on both units: the same operations and weights, never later than on the
// better unit alone but for the sum of both results, and sooner where both take about as long.
TEST(NearMemory, FeedForwardIsDividedByColumns) {
  const Architecture architecture = preset("Llama-3.1-8B");
  const auto plan_of = [&](std::optional<UnitChoice> choice) {
    NearMemoryDescription description = described(UnitChoice::near_memory, UnitChoice::processor);
    description.decode.feed_forward = choice;
    return StepPlan(architecture, architecture.precision, machine_named("duplex-4"), {},
                    near_memory_placement(description));
  };
  const auto feed_forward = [](const StepGraph& graph) {
    Work sum;
    for (const Task& task : graph.tasks) {
      const std::string_view label = task.op.label;
      if (label == "up" || label == "down" || label == "activation") {
        sum.flops += task.work.flops;
        sum.weights += task.work.weights;
      }
    }
    return sum;
  };
  const CostModelPointer cost = ideal();
  for (const double sequences : {1.0, 16.0, 33.0, 64.0, 400.0}) {
    const Batch batch = Batch::decode(sequences, 500);
    const auto total = [&](std::optional<UnitChoice> choice) {
      const StepPlan plan = plan_of(choice);
      const StepGraph graph = build_step(plan, batch);
      EXPECT_NEAR(feed_forward(graph).flops / feed_forward(build_step(plan_of({}), batch)).flops, 1, 1e-9);
      EXPECT_NEAR(feed_forward(graph).weights / feed_forward(build_step(plan_of({}), batch)).weights, 1, 1e-9);
      return execute(graph, plan.view(), *cost).total.value;
    };
    const double processor = total(UnitChoice::processor), memory = total(UnitChoice::near_memory);
    EXPECT_DOUBLE_EQ(processor, total({}));
    EXPECT_DOUBLE_EQ(total(UnitChoice::faster), std::min(processor, memory));
    const double both = total(UnitChoice::co_processed);
    EXPECT_LE(both, std::min(processor, memory) * 1.001);
    if (sequences == 33) {  // 1.03 times the 8 operations for each byte of 4 times the bandwidth
      EXPECT_LT(both, 0.9 * std::min(processor, memory));
    }
  }
}

// AttAcc (ASPLOS 2024): while one head's attention runs, the next one's projections do. The same work, but that each
// group reads its input again; no sooner than attention and what is not beside it allow.
TEST(NearMemory, HeadsInGroupsHideProjections) {
  const Architecture architecture = preset("Llama-3.1-8B");
  const CostModelPointer cost = ideal();
  for (const double context : {1000.0, 30000.0}) {
    const auto plan_of = [&](int groups) {
      NearMemoryDescription description = described(UnitChoice::near_memory, UnitChoice::processor);
      description.head_groups = groups;
      return StepPlan(architecture, architecture.precision, machine_named("duplex-4"), {},
                      near_memory_placement(description));
    };
    const StepPlan whole = plan_of(1), grouped = plan_of(8);
    const Batch batch = Batch::decode(16, context);
    const StepGraph one = build_step(whole, batch), eight = build_step(grouped, batch);
    EXPECT_NEAR(total_work(eight).flops / total_work(one).flops, 1, 1e-12);
    EXPECT_NEAR(total_work(eight).kv / total_work(one).kv, 1, 1e-12);
    EXPECT_NEAR(total_work(eight).weights / total_work(one).weights, 1, 1e-12);
    const double serial = execute(one, whole.view(), *cost).total.value;
    const double hidden = serial - execute(eight, grouped.view(), *cost).total.value;
    double projections = 0;
    for (const Task& task : one.tasks_of(one.layers[1])) {
      const bool beside = std::string_view(task.op.label) == "qkv" || std::string_view(task.op.label) == "o";
      projections += beside ? cost->cost(task, whole.view()).busy.value * one.layers[1].executions : 0;
    }
    const double attention = busy_on(whole, one, 1, *cost);
    const double most = std::min(projections, attention);
    EXPECT_LT(hidden, most);
    EXPECT_GT(hidden, 0.7 * most) << context;
  }
}

// Duplex (arXiv:2409.01141), section V: attention of decoding sequences beside that of prompts.
TEST(NearMemory, DecodesAttendBesidePrompts) {
  const Batch mixed{{{1, 4000, 0}, {64, 1, 4000}}};
  const double apart =
      step("Mixtral-8x7B", near_memory_placement(described(UnitChoice::near_memory, UnitChoice::processor)), mixed);
  const double one =
      step("Mixtral-8x7B", near_memory_placement(described(UnitChoice::processor, UnitChoice::processor)), mixed);
  EXPECT_LT(apart, one);
}

TEST(NearMemory, BankConflictsOnlySlow) {
  for (const char* model : {"Mixtral-8x7B", "Qwen3-30B"}) {
    for (const Batch& batch : kBatches) {
      double before = 0;
      for (const double conflicts : {0.0, 0.25, 1.0}) {
        NearMemoryDescription description = described(UnitChoice::near_memory, UnitChoice::co_processed);
        description.bank_conflicts = conflicts;
        const double now = step(model, near_memory_placement(description), batch);
        EXPECT_GE(now, before * (1 - kRounding)) << model << conflicts;
        before = now;
      }
    }
  }
}

// Wrong in either: a unit's energy counted twice, or bytes that nobody pays for.
TEST(NearMemory, EnergyIsTheSumOfItsPartsAndNeverBelowThatOfItsBytes) {
  for (const auto& [name, machine] :
       {std::pair("resident", "duplex-4"), std::pair("duplex", "duplex-4"), std::pair("duplex-pe", "duplex-4"),
        std::pair("two-unit", "duplex-4"), std::pair("heterogeneous", "gpu-pim-2")}) {
    const Architecture architecture = preset("Mixtral-8x7B");
    const StepPlan plan(architecture, architecture.precision, machine_named(machine), {}, make_placement(name));
    for (const Batch& batch : kBatches) {
      const StepGraph graph = build_step(plan, batch);
      const WorkEnergy energy = work_energy(graph, plan.view());
      Joules parts = energy.links;
      JoulesPerByte least{1e9};
      for (std::size_t i = 0; i < plan.view().device_units; ++i) {
        parts += energy.units[i].memory + energy.units[i].arithmetic;
        least = std::min(least, plan.view().units[i].energy_of_bytes);
      }
      EXPECT_DOUBLE_EQ(energy.total().value, parts.value) << name;
      const Work whole = total_work(graph);
      EXPECT_GE(energy.total().value, (least * whole.memory()).value * (1 - kRounding)) << name;
      double crossing = 0;  // at 1.3 pJ/bit, over links to other devices and to the unit apart
      for (const LayerGraph& layer : graph.layers) {
        for (const Task& task : graph.tasks_of(layer)) {
          crossing += task.communication ? layer.executions * task.work.wire.value : 0;
        }
      }
      EXPECT_NEAR(energy.links.value, crossing * 8 * 1.3e-12, energy.links.value * kRounding) << name;
      const double arithmetic = 0.23e-12 * whole.flops.value;
      EXPECT_GE(energy.total().value, arithmetic * (1 - kRounding)) << name;
    }
  }
}

// Pipeline stages divide the layers: all devices together do the same work, whatever the number of stages.
TEST(NearMemory, EnergyDoesNotDependOnPipelineStages) {
  const auto energy = [](const Mapping& mapping) {
    const Architecture architecture = preset("Mixtral-8x7B");
    const Deployment deployment{
        {architecture, architecture.precision, machine_named("duplex-4"), mapping, make_placement("duplex")}, ideal()};
    return predict(deployment, {.batch = 8, .input = 256, .output = 32}).work_energy;
  };
  const WorkEnergy one = energy({.tensor = 2}), two = energy({.tensor = 2, .pipeline = 2});
  ASSERT_TRUE(one.known());
  for (std::size_t i = 0; i < one.units.size(); ++i) {
    EXPECT_NEAR(two.units[i].memory / one.units[i].memory, 1, kRounding) << one.units[i].unit;
    EXPECT_NEAR(two.units[i].arithmetic / one.units[i].arithmetic, 1, kRounding) << one.units[i].unit;
  }
}

// Section 7 of the published simulator's description: 32 sequences of Mixtral on four devices, every product
// max(2mkn/F, (mk+kn+mn) 2/B) at 3.352 TB/s, attention over 312 tokens with its scores in memory, and all-reduces of
// 2(N-1) messages of 0.8 us: 3.861, 2.600, 3.18 and 5.67 us.
TEST(NearMemory, IdealModeIsTheClosedForm) {
  const Architecture architecture = preset("Mixtral-8x7B");
  const StepPlan plan(architecture, architecture.precision, machine_named("duplex-4"), {.tensor = 4, .expert = 4},
                      resident_placement());
  const CostModelPointer cost = ideal();
  const auto microseconds = [&](const char* label) {
    const StepGraph graph = build_step(plan, Batch::decode(32, 311));
    for (const Task& task : graph.tasks) {
      if (std::string_view(task.op.label) == label) {
        return cost->cost(task, plan.view()).median().value * 1e6;
      }
    }
    return 0.0;
  };
  EXPECT_NEAR(microseconds("qkv"), 3.861, 5e-4);
  EXPECT_NEAR(microseconds("o"), 2.600, 5e-4);
  EXPECT_NEAR(microseconds("scores"), 3.18, 5e-3);
  EXPECT_NEAR(microseconds("reduce attention"), 5.67, 5e-3);
}

// What does not run at once does not share a step's weights: waves of a batch cost what one of them does alone.
TEST(NearMemory, EnergyIsOfTheRequestsThatRunAtOnce) {
  const Architecture architecture = preset("Mixtral-8x7B");
  const Deployment deployment{
      {architecture, architecture.precision, machine_named("duplex-4"), {.tensor = 4}, make_placement("duplex")},
      ideal()};
  const Prediction waves = predict(deployment, {.batch = 100000, .input = 1024, .output = 1024});
  ASSERT_LT(waves.running_batch, 100000);
  const Prediction one =
      predict(deployment, {.batch = static_cast<std::int64_t>(waves.running_batch), .input = 1024, .output = 1024});
  EXPECT_NEAR(waves.work_energy.total() / one.work_energy.total(), 1, kRounding);
}

// Halves of a batch that take turns on each unit: neither unit works longer than when it has the batch alone, and none
// waits for the other all the time.
TEST(NearMemory, TwoHalvesOverlapUnits) {
  const Architecture architecture = preset("Llama-3.1-8B");
  const auto time = [&](OverlapKind kind) {
    const StepPlan plan(architecture, architecture.precision, machine_named("duplex-4"), {}, make_placement("duplex"),
                        "uniform", ExchangeKind::automatic, {.overlap = {.kind = kind}});
    return execute(build_step(plan, Batch::decode(1024, 2000)), plan.view(), *ideal()).total.value;
  };
  EXPECT_LT(time(OverlapKind::two_batch), time(OverlapKind::none));
}

// Duplex, section V-C: keys and values over three of four spaces; the processor reads those of prompts and writes them
// there, once. 2 x 700 tokens of 8 + 8 heads of 128 elements in two bytes, both ways, per layer.
TEST(NearMemory, PromptsCacheMigratesOnce) {
  const Architecture architecture = preset("Mixtral-8x7B");
  const auto moved = [&](const Batch& batch, const Machine& machine) {
    const StepPlan plan(architecture, architecture.precision, machine, {}, make_placement("duplex"));
    double bytes = 0;
    for (const Task& task : build_step(plan, batch).tasks) {
      bytes += std::string_view(task.op.label) == "migrate keys and values" ? task.work.memory().value : 0;
    }
    return bytes;
  };
  const Machine machine = machine_named("duplex-4");
  EXPECT_DOUBLE_EQ(moved(kBatches[4], machine), 2 * 700 * 16 * 128 * 2 * 2);
  EXPECT_EQ(moved(kBatches[1], machine), 0);
  Machine one_space = machine;
  one_space.device.memory.spaces = 1;
  EXPECT_EQ(moved(kBatches[4], one_space), 0);
}

// Three of four spaces for the cache: where weights are less than a quarter of the memory, that quarter is not for it.
TEST(NearMemory, CacheIsInItsSpacesOnly) {
  const Architecture architecture = preset("Llama-3.1-8B");
  const auto largest = [&](const char* placement) {
    const StepPlan plan(architecture, architecture.precision, machine_named("duplex-4"), {}, make_placement(placement));
    return largest_batch(plan, {.sequences = 0, .context = 4096, .prompt = 1, .step_tokens = 1024});
  };
  // 128 KiB a token, so half a GiB a request; 60 of 80 GiB for the cache. All but the weights (15 GiB) else.
  EXPECT_EQ(largest("duplex"), 120);
  EXPECT_GT(largest("bank-pim"), 125);
}

TEST(NearMemory, MistakesAreOneLine) {
  const auto message = [](const char* units) {
    return user_error([&] {
      return read_near_memory(Config::parse(std::string(R"({"name": "x", "units": )") + units + "}", "mine.json"));
    });
  };
  EXPECT_NE(message(R"({"decode": {"experts": "co_proccessed"}})").find("did you mean 'co_processed'"),
            std::string::npos);
  EXPECT_NE(message(R"({"decode": {"attention": "co_processed"}})").find("units.decode.attention"), std::string::npos);
  EXPECT_NE(message(R"({"bank_conflicts": 1.2})").find("units.bank_conflicts"), std::string::npos);
  EXPECT_NE(message(R"({"decode": {"feed_forward": "both"}})").find("units.decode.feed_forward"), std::string::npos);
  EXPECT_NE(message(R"({"copied_columns": 1.5})").find("units.copied_columns"), std::string::npos);
  EXPECT_NE(message(R"({"cache_spaces": 0})").find("units.cache_spaces"), std::string::npos);
  EXPECT_NE(message(R"({"expert_groups": 0})").find("units.expert_groups"), std::string::npos);
  EXPECT_NE(message(R"({"decods": {}})").find("did you mean 'decode'"), std::string::npos);
  NearMemoryDescription wrong = described(UnitChoice::faster, UnitChoice::faster);
  wrong.unit = "pin";
  const std::string unit = user_error([&] {
    near_memory_placement(wrong)->check(machine_named("duplex-4"));
    return 0;
  });
  EXPECT_NE(unit.find("did you mean 'pim'"), unit.npos) << unit;
}

// What --set changes is what a description with that member says, and all else stays.
TEST(NearMemory, SettingsAreMembers) {
  const Batch batch = Batch::decode(64, 500);
  NearMemoryDescription description = described(UnitChoice::near_memory, UnitChoice::co_processed);
  description.bank_conflicts = 0.5;
  EXPECT_DOUBLE_EQ(
      step("Mixtral-8x7B", make_placement("duplex", {"units.decode.experts=co_processed", "units.bank_conflicts=0.5"}),
           batch),
      step("Mixtral-8x7B", near_memory_placement(description), batch));
  const std::string unknown = user_error([] { return make_placement("duplex", {"units.bank_conflict=0.5"}); });
  EXPECT_NE(unknown.find("bank_conflicts"), unknown.npos) << unknown;
}

}  // namespace
}  // namespace moesaic
