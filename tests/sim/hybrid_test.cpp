// What must hold of every placement between a device and its host, by the time of whole steps.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "base/catalog.hpp"
#include "base/error.hpp"
#include "model/hybrid_description.hpp"
#include "sim/predict.hpp"
#include "tests/model/replicas.hpp"
#include "tests/sim/rounding.hpp"

namespace moesaic {
namespace {

constexpr double kHybridRounding = 1e-12;
const char* const kMachine = "xeon-8380-a40";
const std::vector<std::string> kHybridModels = {"Mixtral-8x7B", "DeepSeek-V2-Lite", "Qwen3-30B", "Llama-3.1-8B"};

HybridDescription described(MissingExperts missing, double device = 0) {
  HybridDescription result;
  result.name = "test";
  result.missing = missing;
  result.experts_on_device = device;
  return result;
}

struct Times {
  double prefill, decode, limit_prefill, limit_decode;
};

Times times(const std::string& model, const PlacementPointer& placement, const Machine& machine, std::int64_t batch = 1,
            const CostModelPointer& cost = default_cost_model()) {
  const Architecture architecture = preset(model);
  StepPlan plan(architecture, architecture.precision, machine, {}, placement);
  plan.attain(cost->attained(plan.view()));
  const Deployment deployment{std::move(plan), cost};
  Predictor predictor(deployment);
  const LoadTimes& all = predictor.times({.batch = batch, .input = 128, .output = 64});
  return {all.prefill.predicted.value, all.decode.predicted.value, all.prefill.limit.value, all.decode.limit.value};
}

/// With memory for everything, so that only time is compared.
Machine roomy() {
  Machine machine = machine_named(kMachine);
  machine.device.memory.capacity = Bytes{1e13};
  machine.host->memory.capacity = Bytes{1e13};
  return machine;
}

/// One that has what the placement needs: a host, or a unit near its memory.
Machine machine_for(const PlacementPointer& placement) {
  Machine machine = roomy();
  try {
    placement->check(machine);
  } catch (const UserError&) {
    machine = machine_named("duplex-4");
    machine.device.memory.capacity = Bytes{1e13};
  }
  return machine;
}

Times times(const std::string& model, const HybridDescription& description, std::int64_t batch = 1) {
  return times(model, hybrid_placement(description), roomy(), batch);
}

constexpr MissingExperts kAll[] = {MissingExperts::streamed, MissingExperts::fetched, MissingExperts::host,
                                   MissingExperts::cheaper, MissingExperts::balanced};

TEST(Hybrid, ACacheOfEverythingIsResident) {
  for (const std::string& model : kHybridModels) {
    const Times resident = times(model, resident_placement(), roomy(), 4);
    for (const MissingExperts missing : kAll) {
      const Times hybrid = times(model, described(missing, 1), 4);
      EXPECT_NEAR(hybrid.prefill / resident.prefill, 1, kHybridRounding) << model << to_text(missing);
      EXPECT_NEAR(hybrid.decode / resident.decode, 1, kHybridRounding) << model << to_text(missing);
    }
    HybridDescription layers = described(MissingExperts::host);
    layers.dense_on_device = 0.5;
    layers.device_layers = 1000;
    EXPECT_NEAR(times(model, layers, 4).decode / resident.decode, 1, kHybridRounding) << model;
  }
}

HybridDescription::LongPrompts from(double above) {
  HybridDescription::LongPrompts longer;
  longer.above = above;
  return longer;
}

// Steps of up to so many tokens run as they do without it, the others as a placement of their own would.
TEST(Hybrid, LongPromptsRunTheirOwnWay) {
  for (const char* model : {"Mixtral-8x7B", "Qwen3-30B"}) {
    const HybridDescription few = described(MissingExperts::host), many = described(MissingExperts::streamed);
    HybridDescription both = few;
    both.long_prompts = from(127);
    EXPECT_DOUBLE_EQ(times(model, both).prefill, times(model, many).prefill) << model;
    EXPECT_DOUBLE_EQ(times(model, both).decode, times(model, few).decode) << model;
    both.long_prompts->above = 128;
    EXPECT_DOUBLE_EQ(times(model, both).prefill, times(model, few).prefill) << model;
  }
}

TEST(Hybrid, OfANetworkOnTheHostTheDeviceTakesLongPrompts) {
  HybridDescription host = described(MissingExperts::streamed);
  host.on_host = true;
  HybridDescription streamed = described(MissingExperts::streamed);
  streamed.dense_on_device = streamed.cache_on_device = 0;
  HybridDescription both = host;
  both.long_prompts = from(31);
  EXPECT_DOUBLE_EQ(times("Mixtral-8x7B", both).prefill, times("Mixtral-8x7B", streamed).prefill);
  EXPECT_DOUBLE_EQ(times("Mixtral-8x7B", both).decode, times("Mixtral-8x7B", host).decode);
}

TEST(Hybrid, NoHitsAreOnDemand) {
  for (const char* model : {"Mixtral-8x7B", "Qwen3-30B"}) {
    HybridDescription cached = described(MissingExperts::fetched, 0.25);
    cached.hits = 0;
    EXPECT_DOUBLE_EQ(times(model, cached).decode, times(model, described(MissingExperts::fetched)).decode) << model;
  }
}

// Of experts that are fetched. A host that computes the others works beside the device: all on the device may be
// slower.
TEST(Hybrid, MoreHitsAreNeverSlower) {
  for (const char* model : {"Mixtral-8x7B", "DeepSeek-V2-Lite", "Qwen3-30B"}) {
    for (const MissingExperts missing : {MissingExperts::fetched}) {
      double before = 1e300;
      for (const double hits : {0.0, 0.1, 0.3, 0.6, 0.9, 1.0}) {
        HybridDescription cached = described(missing, 0.5);
        cached.hits = hits;
        const double now = times(model, cached).decode;
        EXPECT_LE(now, before * (1 + 1e-9)) << model << to_text(missing) << hits;
        before = now;
      }
    }
  }
}

TEST(Hybrid, PerfectPrefetchIsNeverSlowerAndGuessesHelp) {
  for (const char* model : {"Mixtral-8x7B", "DeepSeek-V2-Lite", "Qwen3-30B"}) {
    for (const std::int64_t batch : {1, 16}) {
      double before = 1e300;
      for (const double accuracy : {0.0, 0.25, 0.5, 0.75, 1.0}) {
        HybridDescription guessing = described(MissingExperts::fetched);
        guessing.prefetch_accuracy = accuracy;
        const double now = times(model, guessing, batch).decode;
        // Between none and all, what was not foreseen waits behind the wrong guesses.
        if (accuracy == 1.0) {
          EXPECT_LE(now, times(model, described(MissingExperts::fetched), batch).decode * (1 + 1e-9)) << model;
        }
        if (accuracy > 0.25) {
          EXPECT_LE(now, before * (1 + 1e-9)) << model << accuracy;
        }
        before = now;
      }
    }
  }
}

// Where a choice between copying and the CPU is made by attained rates, the CPU never costs more than its own way in.
TEST(Hybrid, AddingACpuNeverHurts) {
  for (const char* model : {"Mixtral-8x7B", "DeepSeek-V2-Lite", "Qwen3-30B"}) {
    for (const std::int64_t batch : {1, 8, 64}) {
      const double fetched = times(model, described(MissingExperts::fetched), batch).decode;
      for (const MissingExperts missing : {MissingExperts::cheaper, MissingExperts::balanced}) {
        EXPECT_LE(times(model, described(missing), batch).decode, fetched * (1 + 1e-9))
            << model << to_text(missing) << batch;
      }
    }
  }
}

// Nor does it cost more to divide than to leave all to the CPU, or all to the link, whatever they
// attain. The division knows peak rates of the device only, so that a slow device is left out. What the device computes
// of every token need not wait for what is copied in.
RC_GTEST_PROP(Hybrid, DividingCostsNoMoreThanEitherWay, ()) {
  const auto factor = [] { return std::pow(2, *rc::gen::inRange(-30, 31) / 10.0); };
  Machine machine = roomy();
  const double memory = factor(), device = std::max(1.0, factor());
  machine.host->memory.bandwidth *= memory;
  machine.host->cpu.memory_bandwidth *= memory;
  machine.device.host_link->bandwidth *= factor();
  machine.device.memory.bandwidth *= device;
  machine.device.units.front().memory_bandwidth *= device;
  const std::string model =
      *rc::gen::element<std::string>("Mixtral-8x7B", "DeepSeek-V2-Lite", "Qwen2-57B", "Qwen3-30B");
  const double on_device = *rc::gen::element(0.0, 0.25, 0.5);
  const std::int64_t batch = *rc::gen::element(1, 2, 4, 16, 64);
  const auto with = [&](MissingExperts missing) {
    return times(model, hybrid_placement(described(missing, on_device)), machine, batch).decode;
  };
  RC_LOG() << model << ", " << batch << " tokens, " << with(MissingExperts::host) << " s by the host, "
           << with(MissingExperts::fetched) << " s by the link, " << with(MissingExperts::balanced) << " s by both";
  // Of the device, kernels attain less than the peak rates that the division knows.
  constexpr double kAttained = 1.06;
  RC_ASSERT(with(MissingExperts::balanced) <=
            std::min(with(MissingExperts::host), with(MissingExperts::fetched)) * kAttained);
}

// What the CPU computes and what is copied in for the device runs beside each other, so that dividing experts between
// two ways of like speed is faster than either.
TEST(Hybrid, HostAndLinkWorkBesideEachOther) {
  Machine machine = roomy();
  machine.host->memory.bandwidth = machine.host->cpu.memory_bandwidth = BytesPerSecond{1e15};
  for (auto& rate : machine.host->cpu.peak) {
    rate = rate > FlopsPerSecond{0} ? FlopsPerSecond{3e12} : rate;
  }
  const auto prefill = [&](MissingExperts missing) {
    return times("DeepSeek-V2-Lite", hybrid_placement(described(missing)), machine).prefill;
  };
  EXPECT_LT(prefill(MissingExperts::balanced),
            0.9 * std::min(prefill(MissingExperts::host), prefill(MissingExperts::fetched)));
}

// One token's experts have one token each, and are divided all the same: none, some or all of them go to the CPU.
TEST(Hybrid, OneTokensExpertsAreDivided) {
  Machine machine = roomy();
  const auto on_host = [&](double link) {
    machine.device.host_link->bandwidth = BytesPerSecond{link};
    const Architecture model = preset("Qwen3-30B");
    const StepPlan plan(model, model.precision, machine, {}, hybrid_placement(described(MissingExperts::balanced)));
    return over_step(build_step(plan, Batch::decode(1, 100)), [](const Task& task) {
      return std::string_view(task.op.label) == "experts on host" ? std::get<GroupedGemm>(task.op.shape).rows : 0;
    });
  };
  machine.host->memory.bandwidth = machine.host->cpu.memory_bandwidth = BytesPerSecond{400e9};
  constexpr double kChosen = 48 * 8;
  EXPECT_NEAR(on_host(1e8), kChosen, 0.05 * kChosen);
  const double some = on_host(150e9);
  EXPECT_GT(some, 0.3 * kChosen);
  EXPECT_LT(some, 0.9 * kChosen);
  EXPECT_LT(on_host(300e9), some);
}

// What is foreseen may be copied while the layers before are computed: the division then gives the link more.
TEST(Hybrid, ForesightHelpsABalancedDivision) {
  for (const char* model : {"DeepSeek-V2-Lite", "Qwen3-30B"}) {
    for (const std::int64_t batch : {1, 16}) {
      const HybridDescription late = described(MissingExperts::balanced, 0.25);
      HybridDescription foreseeing = late;
      foreseeing.prefetch_accuracy = 1;
      EXPECT_LE(times(model, foreseeing, batch).decode, times(model, late, batch).decode * (1 + 1e-9))
          << model << batch;
    }
  }
}

// More slots never take longer, but for what copies begin with; one expert after another is as all at once in turn; and
// the room is that of the slots.
TEST(Hybrid, ExpertsPassThroughSlots) {
  for (const MissingExperts missing : {MissingExperts::streamed, MissingExperts::fetched}) {
    for (const std::int64_t batch : {1, 64}) {
      HybridDescription slots = described(missing);
      double before = 1e300;
      for (const int count : {1, 2, 3, 4, 8, 16, 64}) {
        slots.expert_slots = count;
        const Times now = times("Mixtral-8x7B", slots, batch);
        EXPECT_LE(now.decode, before * (1 + 5e-3)) << to_text(missing) << ' ' << batch << ' ' << count;
        EXPECT_GE(now.decode, now.limit_decode * (1 - 1e-9));
        before = now.decode;
      }
      EXPECT_LE(before, times("Mixtral-8x7B", described(missing), batch).decode * (1 + 1e-9));
    }
  }
  const Architecture mixtral = preset("Mixtral-8x7B");
  HybridDescription two = described(MissingExperts::streamed);
  two.expert_slots = 2;
  const StepPlan plan(mixtral, mixtral.precision, roomy(), {}, hybrid_placement(two));
  EXPECT_DOUBLE_EQ(replica_memory(plan, {.sequences = 1, .context = 8}).device.buffers.value,
                   2 * 3 * 4096 * 14336 * 2.0);
}

// Steps with slots that jump over repeated layers take as long as those that run them all.
TEST(Hybrid, SlotsRepeat) {
  for (const MissingExperts missing : {MissingExperts::streamed, MissingExperts::fetched, MissingExperts::balanced}) {
    HybridDescription slots = described(missing, 0.25);
    slots.expert_slots = 3;
    slots.prefetch_accuracy = missing == MissingExperts::streamed ? 0 : 0.5;
    const Architecture model = preset("DeepSeek-V2-Lite");
    const StepPlan plan(model, model.precision, roomy(), {}, hybrid_placement(slots));
    const StepGraph graph = build_step(plan, Batch::decode(40, 500));
    const CostModelPointer cost = default_cost_model();
    std::vector<TaskCost> costs;
    step_costs(graph, plan.view(), *cost, costs);
    EXPECT_NEAR(execution_time(graph, plan.view(), costs).value / execute(graph, plan.view(), *cost).total.value, 1,
                1e-9)
        << to_text(missing);
  }
}

// Operators that work on a part of the tokens at once need its room only, and take no longer.
TEST(Hybrid, ModulesWorkOnATokensPart) {
  const Architecture mixtral = preset("Mixtral-8x7B");
  const auto activations = [&](double tokens) {
    HybridDescription modules = described(MissingExperts::streamed);
    modules.tokens_at_once = tokens;
    const StepPlan plan(mixtral, mixtral.precision, roomy(), {}, hybrid_placement(modules));
    return replica_memory(plan, {.sequences = 100, .context = 600, .prompt = 512, .step_tokens = 51200})
        .device.activations.value;
  };
  // What waits keeps its residual stream and normalised input.
  EXPECT_LT(activations(1024), 0.25 * activations(0));
  EXPECT_GT(activations(1024), 50176.0 * 2 * 4096 * 2);
  EXPECT_EQ(activations(1e6), activations(0));
}

// Of one token's two experts one and a half are computed, and fetched.
TEST(Hybrid, SkippedChoicesAreNeitherFetchedNorComputed) {
  for (const MissingExperts missing : kAll) {
    HybridDescription all = described(missing);
    HybridDescription fewer = all;
    fewer.skipped = 0.25;
    EXPECT_LE(times("Mixtral-8x7B", fewer).decode, times("Mixtral-8x7B", all).decode) << to_text(missing);
    all.skipped = 1;
    EXPECT_LE(times("Mixtral-8x7B", all).decode, times("Mixtral-8x7B", fewer).decode) << to_text(missing);
  }
}

TEST(Hybrid, InfiniteHostMemoryRemovesContention) {
  Machine machine = roomy();
  machine.host->memory.bandwidth = BytesPerSecond{1e30};
  machine.host->cpu.memory_bandwidth = machine.host->memory.bandwidth;
  HybridDescription pinned = described(MissingExperts::streamed), staged = pinned;
  staged.copies = CopyKind::staged;
  for (const std::int64_t batch : {1, 64}) {
    EXPECT_DOUBLE_EQ(times("Mixtral-8x7B", hybrid_placement(staged), machine, batch).decode,
                     times("Mixtral-8x7B", hybrid_placement(pinned), machine, batch).decode);
  }
  machine.host->memory.bandwidth = machine.host->cpu.memory_bandwidth = BytesPerSecond{40e9};
  EXPECT_GT(times("Mixtral-8x7B", hybrid_placement(staged), machine).decode,
            times("Mixtral-8x7B", hybrid_placement(pinned), machine).decode * 1.5);
}

TEST(Hybrid, EveryPlacementStaysAboveItsLimit) {
  for (const CatalogEntry& entry : list_catalog("placements")) {
    const PlacementPointer placement = make_placement(entry.name);
    for (const std::string& model : kHybridModels) {
      for (const std::int64_t batch : {1, 3, 64}) {
        const Times at = times(model, placement, machine_for(placement), batch);
        EXPECT_GE(at.decode, at.limit_decode * (1 - 1e-9)) << entry.name << ' ' << model << ' ' << batch;
        EXPECT_GE(at.prefill, at.limit_prefill * (1 - 1e-9)) << entry.name << ' ' << model << ' ' << batch;
      }
    }
  }
}

// Steps that jump over repeated layers take as long as those that run them all.
TEST(Hybrid, RepeatsAreAsLongAsRuns) {
  for (const CatalogEntry& entry : list_catalog("placements")) {
    for (const char* model : {"Mixtral-8x7B", "DeepSeek-V2-Lite"}) {
      const Architecture architecture = preset(model);
      const PlacementPointer placement = make_placement(entry.name);
      const StepPlan plan(architecture, architecture.precision, machine_for(placement), {}, placement);
      for (const Batch& batch : {Batch::decode(40, 500), Batch::prefill(6, 300)}) {
        const StepGraph graph = build_step(plan, batch);
        const CostModelPointer cost = default_cost_model();
        std::vector<TaskCost> costs;
        step_costs(graph, plan.view(), *cost, costs);
        const double all = execute(graph, plan.view(), *cost).total.value;
        EXPECT_NEAR(execution_time(graph, plan.view(), costs).value / all, 1, 1e-9) << entry.name << ' ' << model;
      }
    }
  }
}

// The ring's recurrence (2205.10034 section 3.3.2): with one slot copy and computation take turns; with two a layer's
// copy hides behind the layer before, and more change nothing where all layers are alike.
TEST(Hybrid, ARingTakesTheLongerOfCopyAndComputation) {
  const auto step = [](int slots) {
    HybridDescription ring = described(MissingExperts::streamed);
    ring.buffered_layers = slots;
    return times("Mixtral-8x7B", ring, 64).decode;
  };
  const double one = step(1), two = step(2);
  EXPECT_LT(two, one * (1 - 1e-3));
  EXPECT_NEAR(step(3) / two, 1, 1e-4);
  EXPECT_NEAR(step(8) / two, 1, 1e-4);
}

// With a long context attention takes the CPU longer than the device takes for the rest: two batches hide the one
// behind the other, and no schedule is shorter than the CPU's part.
TEST(Hybrid, BatchesOverlapWhatOneDoesInTurn) {
  HybridDescription one = described(MissingExperts::host);
  one.cache_on_device = 0;
  HybridDescription two = one;
  two.batches = 2;
  const Architecture llama = preset("Llama-3.1-8B");
  const CostModelPointer cost = roofline_cost_model();
  double host = 0;
  const auto step = [&](const HybridDescription& description) {
    const StepPlan plan(llama, llama.precision, roomy(), {}, hybrid_placement(description));
    const StepGraph graph = build_step(plan, Batch::decode(256, 2000));
    host = 0;
    for (const LayerGraph& layer : graph.layers) {
      for (const Task& task : graph.tasks_of(layer)) {
        host += task.queue == Queue::host ? peak_seconds(task, plan.view()).value * layer.executions : 0;
      }
    }
    return execute(graph, plan.view(), *cost).total.value;
  };
  const double in_turn = step(one), beside = step(two);
  EXPECT_LT(beside, in_turn * 0.99);
  EXPECT_GE(beside, host);
}

TEST(Hybrid, StorageIsRead) {
  Machine machine = roomy();
  machine.host->storage = Memory{Bytes{1e13}, BytesPerSecond{3e9}};
  HybridDescription stored = described(MissingExperts::streamed);
  stored.weights_on_storage = 1;
  // Experts of Mixtral: 32 layers of 8 experts of 3 x 4096 x 14336 in bf16 cross 3 GB/s.
  const double least = 32.0 * 8 * 3 * 4096 * 14336 * 2 / 3e9;
  EXPECT_GE(times("Mixtral-8x7B", hybrid_placement(stored), machine).decode, least);
  EXPECT_GE(times("Mixtral-8x7B", hybrid_placement(stored), machine).limit_decode, least * (1 - 1e-9));
}

/// Bytes that tasks of a decode step with this label bring or take, all layers together.
double moved(const HybridDescription& description, const std::string& label, double sequences = 4,
             const std::string& model = "Mixtral-8x7B") {
  const Architecture architecture = preset(model);
  const StepPlan plan(architecture, architecture.precision, roomy(), {}, hybrid_placement(description));
  return over_step(build_step(plan, Batch::decode(sequences, 100)), [&](const Task& task) {
    return std::string_view(task.op.label) == label ? task.work.wire.value : 0;
  });
}

// One token of Mixtral on demand: 2 experts of 3 x 4096 x 14336 in bf16 in each of 32 layers.
TEST(Hybrid, MissingExpertsMayComeInFewerBits) {
  constexpr double kChosen = 32.0 * 2 * 3 * 4096 * 14336 * 2;
  HybridDescription whole = described(MissingExperts::fetched);
  EXPECT_NEAR(moved(whole, "experts in", 1), kChosen, kChosen * kRounding);
  whole.copied_bytes = 0.25;
  EXPECT_NEAR(moved(whole, "experts in", 1), kChosen / 4, kChosen * kRounding);
  HybridDescription all = described(MissingExperts::streamed);
  const double streamed = moved(all, "weights in");
  all.copied_bytes = 0.25;
  EXPECT_NEAR(moved(all, "weights in") / streamed, 0.25, kRounding);
  HybridDescription skipping = described(MissingExperts::fetched);
  skipping.skipped = 0.25;
  EXPECT_NEAR(moved(skipping, "experts in", 1), kChosen * 0.75, kChosen * kRounding);
}

// Without a copy on the host as much goes back as comes, guesses too.
TEST(Hybrid, EvictedExpertsGoBackWhereTheHostHasNoCopy) {
  HybridDescription exclusive = described(MissingExperts::fetched, 0.25);
  const double dropped = times("Mixtral-8x7B", exclusive, 4).decode;
  EXPECT_EQ(moved(exclusive, "experts out"), 0);
  exclusive.copied_back = true;
  EXPECT_DOUBLE_EQ(moved(exclusive, "experts out"), moved(exclusive, "experts in"));
  EXPECT_GE(times("Mixtral-8x7B", exclusive, 4).decode, dropped * (1 - 1e-9));
  exclusive.prefetch_accuracy = 0.8;
  exclusive.prefetch_extra = 0.5;
  EXPECT_NEAR(moved(exclusive, "experts out"), moved(exclusive, "experts in") + moved(exclusive, "experts ahead"), 1);
}

// The host may begin with experts that an earlier gate names: if it names all, nothing is slower, and guesses cost
// work.
TEST(Hybrid, TheHostComputesWhatIsForeseenAhead) {
  for (const std::string& model : {std::string("Mixtral-8x7B"), std::string("Qwen3-30B")}) {
    const HybridDescription late = described(MissingExperts::host);
    HybridDescription ahead = late;
    ahead.prefetch_accuracy = 1;
    const double now = times(model, late).decode, before = times(model, ahead).decode;
    EXPECT_LT(before, now) << model;
    ahead.prefetch_extra = 1;
    EXPECT_GT(times(model, ahead).decode, before) << model;
    ahead.prefetch_extra = 0;
    ahead.prefetch_accuracy = 0.5;
    EXPECT_GE(times(model, ahead).decode, before) << model;
  }
}

// The residual stream of 4 sequences, 4096 numbers of 2 bytes each, crosses once each way where layers of a network
// that the host computes are on the device, and not where none are.
TEST(Hybrid, LayersOnTheDeviceAreVisited) {
  HybridDescription host = described(MissingExperts::streamed);
  host.on_host = true;
  EXPECT_EQ(moved(host, "layers' input in") + moved(host, "layers' output out"), 0);
  host.device_layers = 16;
  EXPECT_DOUBLE_EQ(moved(host, "layers' input in"), 4 * 4096 * 2);
  EXPECT_DOUBLE_EQ(moved(host, "layers' output out"), 4 * 4096 * 2);
}

// FlexGen's activations on the host: in every one of 32 layers the stream of 4 sequences, 4096 numbers of 2 bytes,
// comes and goes, and the device has room for that of the batch that computes alone.
TEST(Hybrid, ActivationsMayWaitOnTheHost) {
  HybridDescription there = described(MissingExperts::streamed);
  there.batches = 2;
  HybridDescription away = there;
  away.activations_on_device = 0;
  EXPECT_EQ(moved(there, "activations in"), 0);
  EXPECT_DOUBLE_EQ(moved(away, "activations in"), 32.0 * 4 * 4096 * 2);
  EXPECT_DOUBLE_EQ(moved(away, "activations out"), 32.0 * 4 * 4096 * 2);
  EXPECT_GE(times("Mixtral-8x7B", away, 64).decode, times("Mixtral-8x7B", there, 64).decode * (1 - 1e-9));
  const Architecture mixtral = preset("Mixtral-8x7B");
  const auto memory = [&](const HybridDescription& description) {
    const StepPlan plan(mixtral, mixtral.precision, roomy(), {}, hybrid_placement(description));
    return replica_memory(plan, {.sequences = 64, .context = 100, .prompt = 50, .step_tokens = 3200});
  };
  EXPECT_LT(memory(away).device.activations, memory(there).device.activations);
  EXPECT_DOUBLE_EQ(memory(away).host.activations.value, 3200.0 * 4096 * 2);
}

// A staged copy passes through the host's memory three times: with a slow one that is what it takes.
TEST(Hybrid, StagedCopiesTakeTheHostsMemory) {
  Machine machine = roomy();
  machine.host->memory.bandwidth = BytesPerSecond{machine.device.host_link->bandwidth.value};
  HybridDescription staged = described(MissingExperts::streamed);
  staged.copies = CopyKind::staged;
  const double bytes = 32.0 * 8 * 3 * 4096 * 14336 * 2;
  const double least = 3 * bytes / machine.host->memory.bandwidth.value;
  EXPECT_GE(times("Mixtral-8x7B", hybrid_placement(staged), machine, 1, roofline_cost_model()).decode, least);
}

// The driver's thread passes a pageable copy on while the one that launches waits: 45% of what pinned copies attain,
// and nothing beside it.
TEST(Hybrid, PageableCopiesAreSlowerAndTakeTheirTurn) {
  Machine machine = roomy();
  machine.device.host_link_attained = 0.8;
  HybridDescription way = described(MissingExperts::streamed);
  way.batches = 4;
  const auto step = [&](CopyKind copies, Overlapping overlap, std::int64_t batch) {
    way.copies = copies;
    way.overlap = overlap;
    return times("Mixtral-8x7B", hybrid_placement(way), machine, batch).decode;
  };
  const double bytes = 32.0 * 8 * 3 * 4096 * 14336 * 2;
  const double pinned = bytes / (0.8 * machine.device.host_link->bandwidth.value);
  for (const std::int64_t batch : {4, 256}) {
    const double beside = step(CopyKind::pinned, Overlapping::all, batch),
                 behind = step(CopyKind::pinned, Overlapping::none, batch);
    EXPECT_GE(behind, beside * (1 - 1e-9)) << batch;
    // All else is the same, so that what is no copy takes equally long behind either kind.
    EXPECT_NEAR(step(CopyKind::pageable, Overlapping::all, batch) - pinned / 0.45, behind - pinned, 0.02 * behind)
        << batch;
  }
  machine.device.host_link_pageable = 0.8;  // a machine whose own measurement says so
  EXPECT_NEAR(step(CopyKind::pageable, Overlapping::all, 4), step(CopyKind::pinned, Overlapping::none, 4), 1e-6);
}

// The sum of what the device does, of copies and of the host's work: no two of them at once.
TEST(Hybrid, WithoutOverlapNothingRunsBesideAnything) {
  HybridDescription way = described(MissingExperts::host);
  way.experts_on_device = 0.5;
  way.cache_on_device = 0;
  way.batches = 2;
  for (const char* model : {"Mixtral-8x7B", "DeepSeek-V2-Lite"}) {
    const auto at = [&](Overlapping overlap) {
      way.overlap = overlap;
      return times(model, way, 64);
    };
    EXPECT_GT(at(Overlapping::copies).decode, at(Overlapping::all).decode) << model;
    EXPECT_GE(at(Overlapping::none).decode, at(Overlapping::copies).decode * (1 - 1e-9)) << model;
    EXPECT_GE(at(Overlapping::none).decode, at(Overlapping::none).limit_decode * (1 - 1e-9)) << model;
  }
}

// As many micro-batches as FlexGen's own plans have: all sequences are decoded once, above the limit.
TEST(Hybrid, ManyMicroBatches) {
  HybridDescription many = described(MissingExperts::streamed);
  many.batches = 139;
  const Times of_many = times("Mixtral-8x7B", many, 1112);
  EXPECT_GE(of_many.decode, of_many.limit_decode);
  // Each reads all of a layer's experts from the device's memory.
  const double reads = 139 * 32.0 * 8 * 3 * 4096 * 14336 * 2 / roomy().device.memory.bandwidth.value;
  EXPECT_GE(of_many.decode, reads);
}

// A network on the host needs no room on the device.
TEST(Hybrid, ANodeOfCpusAloneRunsIt) {
  Machine cpus = machine_named("granite-rapids-2");
  cpus.device.memory.capacity = Bytes{1};
  cpus.device.host_link.reset();
  cpus.device.scale_up.reset();
  const Architecture architecture = preset("Mixtral-8x7B");
  const StepPlan plan(architecture, architecture.precision, cpus, {}, make_placement("host"));
  const ReplicaMemory memory = replica_memory(plan, {.sequences = 8, .context = 1000, .prompt = 500});
  EXPECT_TRUE(memory.fits());
  EXPECT_EQ(memory.device.total(), Bytes{0});
  EXPECT_GT(memory.host.weights, Bytes{93e9});
  // Of one token's two experts in each of 32 layers every byte is read by the CPU.
  const double reads = 32.0 * 2 * 3 * 4096 * 14336 * 2 / cpus.host->memory.bandwidth.value;
  EXPECT_GT(times("Mixtral-8x7B", make_placement("host"), cpus).decode, reads);
  HybridDescription layers = described(MissingExperts::streamed);
  layers.on_host = true;
  layers.device_layers = 1;
  EXPECT_THROW(hybrid_placement(layers)->check(cpus), UserError);
  const StepPlan resident(architecture, architecture.precision, cpus, {}, resident_placement());
  EXPECT_FALSE(replica_memory(resident, {.sequences = 1, .context = 10, .prompt = 5}).fits());
}

/// What copies and the host's own work move, in bytes of a step.
struct MovedBytes {
  double in = 0, out = 0, by_host = 0;
};

MovedBytes moved(const StepGraph& graph, const MachineView& view) {
  MovedBytes bytes;
  for (const LayerGraph& layer : graph.layers) {
    for (const Task& task : graph.tasks_of(layer)) {
      if (const auto* transfer = std::get_if<Transfer>(&task.op.shape)) {
        (transfer->to_device ? bytes.in : bytes.out) += task.work.wire.value * layer.executions;
      } else if (task.unit == view.device_units) {
        bytes.by_host += task.work.memory().value * layer.executions;
      }
    }
  }
  return bytes;
}

// Wrong in either: bytes that leave the device for nothing, or a link that carries one way only.
TEST(Hybrid, EnergyCountsWhatIsCopiedEitherWay) {
  const JoulesPerByte of_link{4e-11}, of_memory{1e-10};
  Machine machine = roomy();
  machine.device.host_link->energy = of_link;
  machine.host->cpu.energy = UnitEnergy{of_memory, {}};
  HybridDescription evicting = described(MissingExperts::fetched, 0.25);
  evicting.copied_back = true;
  HybridDescription passing = described(MissingExperts::streamed);
  passing.activations_on_device = 0;
  passing.batches = 2;
  HybridDescription caching = described(MissingExperts::streamed);
  caching.cache_on_device = 0;
  for (const HybridDescription& description : {evicting, passing, caching}) {
    const Architecture architecture = preset("Mixtral-8x7B");
    const StepPlan plan(architecture, architecture.precision, machine, {}, hybrid_placement(description));
    const StepGraph graph = build_step(plan, Batch::decode(8, 1000));
    const WorkEnergy energy = work_energy(graph, plan.view());
    const MovedBytes bytes = moved(graph, plan.view());
    EXPECT_GT(bytes.out, 0);
    EXPECT_NEAR(energy.links.value, of_link.value * (bytes.in + bytes.out), energy.links.value * 1e-12);
    const double memory = energy.units[plan.view().device_units].memory.value;
    EXPECT_NEAR(memory, of_memory.value * (bytes.in + bytes.out + bytes.by_host), memory * 1e-12);
  }
}

// As many experts go back as come, where the host has no copy.
TEST(Hybrid, ExpertsThatGoBackTakeTheEnergyOfThoseThatCome) {
  Machine machine = roomy();
  machine.device.host_link->energy = JoulesPerByte{4e-11};
  const auto links = [&](bool copied_back) {
    HybridDescription description = described(MissingExperts::fetched, 0.25);
    description.copied_back = copied_back;
    const Architecture architecture = preset("Mixtral-8x7B");
    const StepPlan plan(architecture, architecture.precision, machine, {}, hybrid_placement(description));
    return work_energy(build_step(plan, Batch::decode(8, 1000)), plan.view()).links.value;
  };
  EXPECT_GT(links(false), 0);
  EXPECT_NEAR(links(true), 2 * links(false), links(true) * 1e-12);
}

}  // namespace
}  // namespace moesaic
