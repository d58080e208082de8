// What must hold of a unit that has a memory of its own.
#include <gtest/gtest.h>

#include <string>

#include "tests/sim/rounding.hpp"
#include "tests/sim/units.hpp"
#include "tests/user_error.hpp"

namespace moesaic {
namespace {

using namespace units;

// Where the unit has a memory of its own, that has a copy of so many columns, and computes no more of them.
TEST(NearMemoryApart, CopiedColumnsAreAllThatIsComputedThere) {
  const Architecture architecture = preset("Llama-3.1-8B");
  const Machine machine = machine_named("attacc-8");
  const auto plan_of = [&](double columns) {
    return StepPlan(architecture, architecture.precision, machine, {},
                    make_placement("attacc", {"units.copied_columns=" + std::to_string(columns)}));
  };
  const MemoryLoad load{.sequences = 8, .context = 1000, .prompt = 1, .step_tokens = 8};
  const double all = 32.0 * 3 * 4096 * 14336 * 2;  // bytes
  const ReplicaMemory none = replica_memory(plan_of(0), load);
  double before = 0;
  for (const double columns : {0.0, 0.125, 0.25, 1.0}) {
    const StepPlan plan = plan_of(columns);
    const ReplicaMemory memory = replica_memory(plan, load);
    EXPECT_NEAR((memory.apart.weights - none.apart.weights).value, columns * all, 1);
    EXPECT_EQ(memory.device.weights, none.device.weights);
    double there = 0;
    for (const Task& task : build_step(plan, Batch::decode(16, 1000)).tasks) {
      there += task.unit == 1 && task.op.kind == OperatorKind::projection ? task.work.weights.value : 0;
    }
    // One layer is written for all 32.
    EXPECT_LE(there, columns * all / 32 * (1 + 1e-9));
    EXPECT_GE(there, before);
    EXPECT_EQ(there > 0, columns > 0);
    before = there;
  }
}

TEST(NearMemoryApart, GroupsOfHeadsCrossOneByOne) {
  const auto graph_of = [](const char* model, const char* placement) {
    const Architecture architecture = preset(model);
    const StepPlan plan(architecture, architecture.precision, machine_named("attacc-8"), {.tensor = 8},
                        make_placement(placement, {"units.decode.feed_forward=processor"}));
    return build_step(plan, Batch::decode(64, 3000));
  };
  const auto crosses = [](const StepGraph& graph) {
    double bytes = 0;
    for (const Task& task : graph.tasks) {
      const bool between = task.queue == Queue::to_unit || task.queue == Queue::from_unit;
      bytes += between ? task.work.wire.value : 0;
    }
    return bytes;
  };
  const StepGraph whole = graph_of("nvidia/gpt3-175b", "attention-near-memory");
  const StepGraph grouped = graph_of("nvidia/gpt3-175b", "attacc");
  EXPECT_GT(grouped.tasks.size(), whole.tasks.size());
  EXPECT_NEAR(crosses(grouped) / crosses(whole), 1, 1e-12);
  // One key-value head a device: nothing to divide.
  EXPECT_EQ(graph_of("Llama-2-70b", "attacc").tasks.size(),
            graph_of("Llama-2-70b", "attention-near-memory").tasks.size());
}

// A unit's own memory. Mixtral on two devices of each kind, both 80 GiB: 84 GiB of experts twice, 128 KiB of cache a
// token, so that 76 GiB are left for requests of 6,144, 8,192 and 12,288 tokens. Duplex
// (arXiv:2409.01141), figure 5c, prints 101, 75 and 50.
TEST(NearMemoryApart, ExpertsOnBothSidesCutTheBatch) {
  const Architecture architecture = preset("Mixtral-8x7B");
  Precision precision = architecture.precision;
  const StepPlan plan(architecture, precision, machine_named("gpu-pim-2"), {.tensor = 2, .expert = 2},
                      make_placement("heterogeneous"));
  const auto largest = [&](double tokens) {
    return largest_batch(plan, {.sequences = 0, .context = tokens, .prompt = 1, .step_tokens = 1024});
  };
  EXPECT_EQ(largest(6144), 101);
  EXPECT_NEAR(largest(8192), 75, 1);  // 76 GiB of 1 GiB each, if nothing else were there
  EXPECT_EQ(largest(12288), 50);
}

// What is where: cache beside the unit, all weights on the processor's side, experts on both where both run them.
TEST(NearMemoryApart, CapacitiesAreCountedApart) {
  const Architecture architecture = preset("Mixtral-8x7B");
  const auto memory = [&](const char* placement) {
    const StepPlan plan(architecture, architecture.precision, machine_named("gpu-pim-2"), {.tensor = 2, .expert = 2},
                        make_placement(placement));
    return replica_memory(plan, {.sequences = 10, .context = 1000, .step_tokens = 1000});
  };
  const ReplicaMemory resident = memory("resident"), attention = memory("attention-near-memory"),
                      both = memory("heterogeneous");
  EXPECT_EQ(resident.apart.total().value, 0);
  EXPECT_EQ(attention.device.kv.value, 0);
  EXPECT_DOUBLE_EQ(attention.apart.kv.value, resident.device.kv.value);
  EXPECT_EQ(attention.apart.weights.value, 0);
  EXPECT_DOUBLE_EQ(both.device.weights.value, resident.device.weights.value);
  EXPECT_NEAR(both.apart.weights.value, 42 * 0x1p30, 0.01 * 0x1p30);
  const ReplicaMemory only = [&] {
    const StepPlan plan(architecture, architecture.precision, machine_named("gpu-pim-2"), {.tensor = 2, .expert = 2},
                        near_memory_placement(described(UnitChoice::near_memory, UnitChoice::near_memory)));
    return replica_memory(plan, {.sequences = 10, .context = 1000, .step_tokens = 1000});
  }();
  EXPECT_DOUBLE_EQ((only.device.weights + only.apart.weights).value, resident.device.weights.value);
}

// Per layer and rank of two, 8 sequences of Mixtral: 16 query heads and 4 + 4 of keys and values of 128 elements in two
// bytes go out with the queries, 16 heads come back.
TEST(NearMemoryApart, QueriesKeysAndOutputsCross) {
  const Architecture architecture = preset("Mixtral-8x7B");
  const StepPlan plan(architecture, architecture.precision, machine_named("gpu-pim-2"), {.tensor = 2, .expert = 2},
                      make_placement("attention-near-memory"));
  const StepGraph graph = build_step(plan, Batch::decode(8, 1000));
  double out = 0, back = 0;
  for (const Task& task : graph.tasks) {
    out += task.queue == Queue::to_unit ? task.work.wire.value : 0;
    back += task.queue == Queue::from_unit ? task.work.wire.value : 0;
  }
  EXPECT_DOUBLE_EQ(out, 8 * (16 + 2 * 4) * 128 * 2);
  EXPECT_DOUBLE_EQ(back, 8 * 16 * 128 * 2);
  EXPECT_TRUE(graph.serial);
  // Of a prompt in two parts, the first part's cache comes back for the processor to attend over: 4 + 4 heads.
  const StepGraph prompt = build_step(plan, Batch{{{1, 500, 300}}});
  back = 0;
  for (const Task& task : prompt.tasks) {
    back += task.queue == Queue::from_unit ? task.work.wire.value : 0;
  }
  EXPECT_DOUBLE_EQ(back, 300 * 2 * 4 * 128 * 2);
}

TEST(NearMemoryApart, AFreeLinkIsNoLink) {
  Machine apart = machine_named("gpu-pim-2"), together = apart;
  for (Unit& unit : apart.device.units) {
    if (unit.link) {
      unit.link->bandwidth = {1e30};
      unit.link->latency = {};
    }
  }
  for (Unit& unit : together.device.units) {
    unit.memory.reset();
    unit.link.reset();
  }
  for (const char* name : {"attention-near-memory", "heterogeneous"}) {
    for (const Batch& batch : kBatches) {
      const double free = step("Mixtral-8x7B", make_placement(name), batch, apart);
      EXPECT_NEAR(free / step("Mixtral-8x7B", make_placement(name), batch, together), 1, kRounding) << name;
      EXPECT_LE(free, step("Mixtral-8x7B", make_placement(name), batch, machine_named("gpu-pim-2"))) << name;
    }
  }
}

TEST(NearMemoryApart, Mistakes) {
  const auto mistake = [](UnitChoice attention, UnitChoice others) {
    return user_error([&] {
      near_memory_placement(described(attention, UnitChoice::near_memory, others))->check(machine_named("gpu-pim-2"));
      return 0;
    });
  };
  EXPECT_NE(mistake(UnitChoice::near_memory, UnitChoice::faster).find("others"), std::string::npos);
  EXPECT_NE(mistake(UnitChoice::faster, UnitChoice::processor).find("attention"), std::string::npos);
}

}  // namespace
}  // namespace moesaic
