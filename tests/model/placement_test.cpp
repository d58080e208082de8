// Where each placement puts operators, what it copies, and whom tasks wait for.
#include "model/placement.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "model/real.hpp"
#include "tests/model/replicas.hpp"
#include "tests/user_error.hpp"

namespace moesaic {
namespace {

StepPlan streamed(const Architecture& architecture, const Mapping& mapping = {}) {
  return replica(architecture, mapping, make_placement("streamed"), "xeon-8380-a40");
}

/// Bytes of the step's transfers with this label.
double moved(const StepGraph& graph, std::string_view label) {
  return over_step(graph, [&](const Task& task) { return task.op.label == label ? task.work.wire.value : 0; });
}

double demanded(const StepGraph& graph, ResourceId resource) {
  return over_step(graph, [&](const Task& task) {
    double amount = 0;
    for (const Demand& demand : task.demands) {
      amount += demand.resource == resource ? demand.amount : 0;
    }
    return amount;
  });
}

// What the executor relies on.
TEST(Placements, TasksFollowThoseTheyWaitFor) {
  for (const PlacementSummary& placement : list_placements()) {
    const char* machine = "xeon-8380-a40";
    try {
      make_placement(placement.name)->check(machine_named(machine));
    } catch (const UserError&) {
      machine = "duplex-4";
    }
    for_every_model([&](const Architecture& architecture) {
      const StepPlan plan = replica(architecture, {}, make_placement(placement.name), machine);
      for (const Batch& batch : {Batch::decode(3, 500), Batch::prefill(2, 100, 700), Batch{{{2, 50, 0}, {3, 1, 99}}}}) {
        const StepGraph graph = build_step(plan, batch);
        for (const LayerGraph& layer : graph.layers) {
          const auto tasks = graph.tasks_of(layer);
          std::size_t ends = 0, batches = 0;
          for (std::size_t i = 0; i < tasks.size(); ++i) {
            ends += tasks[i].sets == Marker::layer_output;
            batches = std::max<std::size_t>(batches, tasks[i].batch + 1U);
            EXPECT_TRUE(
                std::all_of(tasks[i].after.begin(), tasks[i].after.end(), [&](auto other) { return other < i; }));
          }
          EXPECT_EQ(ends, batches);
        }
      }
    });
  }
}

TEST(Placements, NamesTheNearest) {
  const std::string unknown = user_error([] { return make_placement("steamed"); });
  EXPECT_NE(unknown.find("did you mean 'streamed'"), unknown.npos) << unknown;
  EXPECT_EQ(make_placement("two-unit")->name(), "two-unit");
  EXPECT_GE(list_placements().size(), 3U);
}

TEST(Placements, RefuseMachinesThatLackWhatTheyNeed) {
  const Architecture llama = preset("Llama-3.1-8B");
  const auto refusal = [&](const PlacementPointer& placement, const char* machine) {
    return user_error([&] { return replica(llama, {}, placement, machine); });
  };
  const std::string no_unit = refusal(make_placement("two-unit"), "h200");
  EXPECT_NE(no_unit.find("beside its memory"), no_unit.npos) << no_unit;
  EXPECT_NE(no_unit.find("duplex-4"), no_unit.npos) << no_unit;
  const std::string no_host = refusal(make_placement("streamed"), "h200");
  EXPECT_NE(no_host.find("host"), no_host.npos) << no_host;
  EXPECT_NE(no_host.find("xeon-8380-a40"), no_host.npos) << no_host;
}

TEST(Streamed, EveryLayersWeightsCrossOnce) {
  for_every_model([](const Architecture& architecture) {
    const StepPlan plan = streamed(architecture);
    for (const Batch& batch : {Batch::decode(5, 300), Batch::prefill(1, 300)}) {
      const StepGraph graph = build_step(plan, batch);
      double layers = weight_bytes(architecture, architecture.precision).value - plan.embedding_weights().value;
      EXPECT_NEAR(moved(graph, "weights in") / layers, 1, 1e-12);
      EXPECT_EQ(over_step(graph, [](const Task& task) { return std::string_view(task.op.label) == "weights in"; }),
                real(architecture.layer_count()));
      EXPECT_FALSE(graph.serial);
    }
  });
}

TEST(Streamed, HostDoesAllDecodeAttention) {
  for_every_model([](const Architecture& architecture) {
    const StepPlan plan = streamed(architecture);
    const StepGraph graph = build_step(plan, Batch::decode(5, 3000));
    for (const Task& task : graph.tasks) {
      const bool attention = task.op.kind == OperatorKind::attention_decode;
      if (task.communication) {
        continue;
      }
      EXPECT_EQ(plan.view().units[task.unit].on_host, attention) << task.op.label;
      EXPECT_EQ(task.queue, attention ? Queue::host : Queue::device) << task.op.label;
      if (!attention && task.op.kind != OperatorKind::state_update) {
        EXPECT_EQ(task.work.kv.value, 0) << task.op.label;
      }
    }
  });
}

// Mixtral: 32 query and 8 KV heads of 128 in bf16, 32 layers, 7 sequences.
TEST(Streamed, DecodeTrafficOfMixtral) {
  const StepPlan plan = streamed(preset("Mixtral-8x7B"));
  const StepGraph graph = build_step(plan, Batch::decode(7, 1000));
  const double query = 32 * 7 * 32 * 128 * 2, cached = 32 * 7 * 2 * 8 * 128 * 2;
  EXPECT_EQ(moved(graph, "queries out"), query);
  EXPECT_EQ(moved(graph, "attention in"), query);
  EXPECT_EQ(moved(graph, "keys and values out"), cached);
  const MachineView& view = plan.view();
  const double weights = moved(graph, "weights in");
  EXPECT_EQ(demanded(graph, *view.device_to_host), query + cached);
  EXPECT_EQ(demanded(graph, *view.host_to_device), weights + query);
  // The cache read, and all that is copied passes the host's memory; attention reads queries and writes its output.
  EXPECT_EQ(demanded(graph, *view.host_memory), 1001 * cached + weights + 2 * query + cached + 2 * query);
}

// A chunk of 100 tokens after 5000 needs their keys and values on the device: all of them, the window's, the latent.
TEST(Streamed, ChunkedPrefillFetchesTheCache) {
  const auto fetched = [](const char* model, double context) {
    return moved(build_step(streamed(preset(model)), Batch::prefill(3, 100, context)), "cache in");
  };
  EXPECT_EQ(fetched("Mixtral-8x7B", 0), 0);
  EXPECT_EQ(fetched("Mixtral-8x7B", 5000), 3 * 5000 * 131'072.0);
  EXPECT_EQ(fetched("DeepSeek-V3", 5000), 3 * 5000 * 70'272.0);
  EXPECT_NEAR(fetched("DeepSeek-V3.2", 5000), 3 * 5000 * (70'272 + 61 * 128 * 8.25 / 8), 1e-3);
  // gpt-oss-20b: 24 layers, every other one sees 128 tokens; the first new query sees 127 cached ones.
  EXPECT_EQ(fetched("gpt-oss-20b", 5000), 3 * 12 * (5000 + 127) * 2048.0);
  EXPECT_EQ(fetched("MiniMax-M1", 5000), 3 * 5000 * 40'960.0);
}

TEST(Streamed, RanksShareTheHost) {
  const Architecture mixtral = preset("Mixtral-8x7B");
  const MachineView one = streamed(mixtral).view(), four = streamed(mixtral, {.tensor = 4}).view();
  EXPECT_DOUBLE_EQ(four.resources[*four.host_memory].capacity, one.resources[*one.host_memory].capacity / 4);
  EXPECT_DOUBLE_EQ(four.host_unit().seconds_per_flop[0], one.host_unit().seconds_per_flop[0] * 4);
  EXPECT_EQ(four.resources[*four.host_to_device].capacity, one.resources[*one.host_to_device].capacity);
}

/// Seconds at peak of an operator on one unit, from the machine's own figures.
double alone(const Unit& unit, const Work& work) {
  const double rate = unit.peak[static_cast<std::size_t>(unit.arithmetic(work.arithmetic))].value;
  return std::max(work.flops.value / rate, work.memory().value / unit.memory_bandwidth.value);
}

TEST(TwoUnit, EveryOperatorOnItsFasterUnit) {
  const Machine duplex = machine_named("duplex-4");
  for_every_model([&](const Architecture& architecture) {
    const StepPlan plan = replica(architecture, {}, make_placement("two-unit"), "duplex-4");
    for (const Batch& batch : {Batch::decode(1, 500), Batch::decode(256, 4000), Batch::prefill(4, 1000)}) {
      const StepGraph graph = build_step(plan, batch);
      EXPECT_TRUE(graph.serial);
      double together = 0, first = 0, second = 0;
      for (const Task& task : graph.tasks) {
        const double seconds[] = {alone(duplex.device.units[0], task.work), alone(duplex.device.units[1], task.work)};
        if (task.op.kind != OperatorKind::experts) {  // which cost more than their mean load does, one after another
          EXPECT_EQ(task.unit, seconds[1] < seconds[0] ? 1 : 0) << task.op.label;
        }
        EXPECT_EQ(task.queue, task.unit == 0 ? Queue::device : Queue::second_unit);
        together += seconds[task.unit];
        first += seconds[0];
        second += seconds[1];
      }
      EXPECT_LE(together, std::min(first, second));
    }
  });
}

// Duplex (arXiv:2409.01141): experts of few tokens and decode attention suit the memory's own units, prefill the GPU.
TEST(TwoUnit, SplitsByIntensity) {
  const StepPlan plan = replica(preset("Mixtral-8x7B"), {}, make_placement("two-unit"), "duplex-4");
  const auto unit_of = [&](const Batch& batch, const char* label) {
    const StepGraph graph = build_step(plan, batch);
    const auto found = std::find_if(graph.tasks.begin(), graph.tasks.end(),
                                    [&](const Task& task) { return std::string_view(task.op.label) == label; });
    return found == graph.tasks.end() ? std::string() : plan.view().units[found->unit].name;
  };
  EXPECT_EQ(unit_of(Batch::decode(16, 2000), "scores"), "pim");
  EXPECT_EQ(unit_of(Batch::decode(16, 2000), "experts"), "pim");
  EXPECT_EQ(unit_of(Batch::prefill(4, 2000), "experts"), "gpu");
  EXPECT_EQ(unit_of(Batch::prefill(4, 2000), "qkv"), "gpu");
}

TEST(Resident, RunsAllOnTheMainUnit) {
  const StepPlan plan = replica(preset("Mixtral-8x7B"), {}, resident_placement(), "duplex-4");
  for (const Task& task : build_step(plan, Batch::decode(16, 2000)).tasks) {
    EXPECT_EQ(task.unit, 0);
    EXPECT_EQ(task.queue, Queue::device);
  }
}

}  // namespace
}  // namespace moesaic
