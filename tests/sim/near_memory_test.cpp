// What must hold of a unit beside the memory, by the time and energy of whole steps.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "base/catalog.hpp"
#include "model/near_memory_description.hpp"
#include "sim/predict.hpp"
#include "tests/model/replicas.hpp"
#include "tests/sim/rounding.hpp"
#include "tests/user_error.hpp"

namespace moesaic {
namespace {

const char* const kNearMemoryModels[] = {"Mixtral-8x7B", "DeepSeek-V2-Lite", "Qwen3-30B", "Llama-3.1-8B"};

CostModelPointer ideal() { return load_cost_model("ideal", machine_named("duplex-4")); }

NearMemoryDescription described(UnitChoice attention, UnitChoice experts, UnitChoice others = UnitChoice::processor) {
  NearMemoryDescription result;
  result.name = "test";
  result.decode = result.mixed = {attention, experts, others};
  return result;
}

double step(const std::string& model, const PlacementPointer& placement, const Batch& batch,
            const Machine& machine = machine_named("duplex-4"), const CostModelPointer& cost = ideal()) {
  const Architecture architecture = preset(model);
  const StepPlan plan(architecture, architecture.precision, machine, {}, placement);
  return execute(build_step(plan, batch), plan.view(), *cost).total.value;
}

const Batch kBatches[] = {Batch::decode(1, 100), Batch::decode(32, 2000), Batch::decode(256, 300),
                          Batch::prefill(2, 1000), Batch{{{2, 700, 0}, {30, 1, 900}, {3, 1, 50}}}};

TEST(NearMemory, AUnitLikeTheProcessorIsAPlainDevice) {
  Machine machine = machine_named("duplex-4");
  Unit& unit = machine.device.units[1];
  unit.peak = machine.device.units[0].peak;
  unit.memory_bandwidth = machine.device.memory.bandwidth;
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

TEST(NearMemory, CoProcessingIsNeverSlowerThanTheBetterUnit) {
  for (const char* model : {"Mixtral-8x7B", "DeepSeek-V2-Lite", "Qwen3-30B"}) {
    for (const Batch& batch : kBatches) {
      const auto with = [&](UnitChoice experts) {
        return step(model, near_memory_placement(described(UnitChoice::near_memory, experts)), batch);
      };
      const double both = with(UnitChoice::co_processed);
      EXPECT_LE(both, std::min(with(UnitChoice::processor), with(UnitChoice::near_memory)) * (1 + 1e-3)) << model;
    }
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
  for (const char* name : {"resident", "duplex", "duplex-pe", "two-unit"}) {
    const Architecture architecture = preset("Mixtral-8x7B");
    const StepPlan plan(architecture, architecture.precision, machine_named("duplex-4"), {}, make_placement(name));
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
