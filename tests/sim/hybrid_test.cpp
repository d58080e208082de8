// What must hold of every placement between a device and its host, by the time of whole steps.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "base/catalog.hpp"
#include "base/error.hpp"
#include "model/hybrid_description.hpp"
#include "sim/predict.hpp"
#include "tests/sim/hybrids.hpp"
#include "tests/sim/rounding.hpp"
#include "tests/user_error.hpp"

namespace moesaic {
namespace {

using namespace hybrids;

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
// Wherever the cache is and whoever attends: a tenth of the tokens is a tenth of the bytes.
TEST(Hybrid, AttendingToFewTokensMovesAndReadsFewer) {
  HybridDescription copied = described(MissingExperts::streamed, 1);
  copied.cache_on_device = copied.host_attention = 0;
  HybridDescription few = copied;
  few.attended = 0.1;
  for (const char* model : {"Mixtral-8x7B", "Llama-3.1-8B", "DeepSeek-V2-Lite"}) {
    EXPECT_NEAR(moved(few, "cache in", 4, model) / moved(copied, "cache in", 4, model), 0.1, 1e-9) << model;
  }
  for (const double on_device : {0.0, 0.5, 1.0}) {
    for (const double on_host : {0.0, 1.0}) {
      HybridDescription is = copied;
      is.cache_on_device = on_device;
      is.host_attention = on_host;
      double before = 0;
      for (const double attended : {0.01, 0.1, 0.5, 1.0}) {
        is.attended = attended;
        const Times taken = times("Llama-3.1-8B", is, 64);
        EXPECT_GT(taken.decode, before) << on_device << " " << on_host << " " << attended;
        EXPECT_GE(taken.decode, taken.limit_decode * (1 - kHybridRounding));
        before = taken.decode;
      }
    }
  }
}

TEST(Hybrid, WhatAMachineLacksIsNamed) {
  const PlacementPointer placement = hybrid_placement(described(MissingExperts::fetched));
  Machine machine = roomy();
  machine.device.host_link.reset();
  const auto check = [&] {
    placement->check(machine);
    return 0;
  };
  EXPECT_NE(user_error(check).find("has no \"host_link\" of its device"), std::string::npos);
  machine.host.reset();
  EXPECT_NE(user_error(check).find("has no \"host\""), std::string::npos);
}

// Stages of a pipeline with one request work in turn: its experts have the whole host, on however many devices.
TEST(Hybrid, StagesShareTheHostWithThoseAtWork) {
  const CostModelPointer cost = default_cost_model();
  Machine machine = roomy();
  machine.devices = 8;
  const Architecture architecture = preset("Mixtral-8x7B");
  const auto of_stages = [&](int stages, std::int64_t batch, MissingExperts missing) {
    StepPlan plan(architecture, architecture.precision, machine, {.pipeline = stages},
                  hybrid_placement(described(missing)));
    plan.attain(cost->attained(plan.view()));
    const Deployment deployment{std::move(plan), cost};
    Predictor predictor(deployment);
    const LoadTimes& all = predictor.times({.batch = batch, .input = 128, .output = 64});
    return Times{all.prefill.predicted.value, all.decode.predicted.value, all.prefill.limit.value,
                 all.decode.limit.value};
  };
  for (const MissingExperts missing : kAll) {
    const Times one = of_stages(1, 1, missing);
    for (const int stages : {2, 3, 8}) {
      for (const std::int64_t batch : {1, 2, 3, 7, 64}) {
        const Times taken = of_stages(stages, batch, missing);
        EXPECT_GE(taken.decode, taken.limit_decode * (1 - kHybridRounding)) << stages << " " << batch;
        EXPECT_GE(taken.prefill, taken.limit_prefill * (1 - kHybridRounding)) << stages << " " << batch;
        EXPECT_GE(taken.decode, one.decode * (1 - 1e-3)) << stages << " " << batch;
      }
      if (missing == MissingExperts::host) {
        const Times taken = of_stages(stages, 1, missing);
        EXPECT_LT(taken.decode, one.decode * 1.02) << stages;  // what stages pass on crosses the link
        EXPECT_LT(taken.prefill, one.prefill * 1.02) << stages;
        EXPECT_GT(of_stages(stages, 2, missing).decode, one.decode * 1.5) << stages;  // two at once share it
        // Of 64 prompts in as many steps as stages all share it but for the first and the last.
        const double all = of_stages(1, 64, missing).prefill;
        EXPECT_LT(of_stages(stages, 64, missing).prefill, all * (1 + 1.1 / stages)) << stages;
      }
    }
  }
}

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

MovedBytes bytes_moved(const StepGraph& graph, const MachineView& view) {
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
    const MovedBytes bytes = bytes_moved(graph, plan.view());
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
