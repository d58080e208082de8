// Times of single tasks at peak rates and at achieved fractions of them.
#include "calibrate/cost_model.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "calibrate/task_kernel.hpp"
#include "model/collective.hpp"
#include "tests/model/replicas.hpp"
#include "tests/user_error.hpp"

namespace moesaic {
namespace {

// A profile with a different, easily told fraction in every place.
constexpr const char* kProfile = R"({
  "name": "told apart",
  "kernels": {
    "embedding": {"compute": 0.5, "memory": 0.6, "launches": 1},
    "norm": {"compute": 0.5, "memory": 0.5, "launches": 1},
    "projection": {"compute": 0.25, "memory": 0.5, "launches": 1},
    "rotary": {"compute": 0.5, "memory": 0.6, "launches": 1},
    "attention_prefill": {"compute": 0.5, "memory": 0.6, "launches": 1},
    "attention_decode": {"compute": 0.5, "memory": 0.8, "launches": 3},
    "state_update": {"compute": 0.5, "memory": 0.6, "launches": 1},
    "activation": {"compute": 0.5, "memory": 0.6, "launches": 0.5},
    "router": {"compute": 0.5, "memory": 0.6, "launches": 1},
    "experts": {"compute": 0.5, "memory": 0.6, "launches": 1},
    "head": {"compute": 0.5, "memory": 0.6, "launches": 1},
    "sampling": {"compute": 0.5, "memory": 0.6, "launches": 0}
  },
  "host_kernels": {"compute": 0.125, "memory": 0.625},
  "collective": {"link": 0.75, "network": 0.625},
  "expert_exchange": {"link": 0.5, "network": 0.25, "low_latency": "20 us", "normal": "50 us"},
  "transfer": {"link": 0.875},
  "step_overhead": "300 us",
  "memory_reserve": 0.08,
  "spread": 0.25
})";

CostModelPointer told_apart() { return efficiency_cost_model(Config::parse(kProfile, "told_apart.json")); }

Task first(const StepGraph& graph, std::string_view label) {
  const auto found = std::find_if(graph.tasks.begin(), graph.tasks.end(),
                                  [&](const Task& task) { return std::string_view(task.op.label) == label; });
  EXPECT_NE(found, graph.tasks.end()) << label;
  return *found;
}

TEST(Roofline, IsTheSlowerOfArithmeticAndMemory) {
  const StepPlan plan = replica(preset("Llama-3.1-8B"));
  const Machine machine = machine_named("dgx-h200");
  const double rate = peak(machine.device.units[0], DType::bf16).value;
  const double bandwidth = machine.device.memory.bandwidth.value;
  for (const double batch : {1., 4096.}) {
    const Task qkv = first(build_step(plan, Batch::decode(batch, 10)), "qkv");
    const double compute = 2 * batch * 4096 * 6144 / rate;
    const double memory = 2 * (4096.0 * 6144 + batch * (4096 + 6144)) / bandwidth;
    EXPECT_EQ(compute > memory, batch > 1);
    EXPECT_NEAR(peak_seconds(qkv, plan.view()).value / std::max(compute, memory), 1, 1e-12);
    const Estimate estimate = roofline_cost_model()->cost(qkv, plan.view());
    EXPECT_EQ(estimate.busy, peak_seconds(qkv, plan.view()));
    EXPECT_EQ(estimate.latency.value, 0);
    EXPECT_EQ(roofline_cost_model()->spread(qkv, plan.view()), 0);
  }
  EXPECT_EQ(roofline_cost_model()->software().host_time.value, 0);
  EXPECT_EQ(roofline_cost_model()->reserve_fraction(), 0);
}

TEST(Efficiency, DividesEachRateByItsFraction) {
  const StepPlan plan = replica(preset("Llama-3.1-8B"));
  const double launch = machine_named("dgx-h200").device.units[0].launch_latency.value;
  const CostModelPointer cost = told_apart();
  // One token is bound by memory, 4096 tokens by arithmetic.
  for (const double batch : {1., 4096.}) {
    const Task qkv = first(build_step(plan, Batch::decode(batch, 10)), "qkv");
    const Estimate estimate = cost->cost(qkv, plan.view());
    EXPECT_DOUBLE_EQ(estimate.busy.value, peak_seconds(qkv, plan.view()).value / (batch > 1 ? 0.25 : 0.5));
    EXPECT_EQ(estimate.latency.value, launch);
    EXPECT_EQ(cost->spread(qkv, plan.view()), 0.25);
    EXPECT_EQ(estimate.median(), estimate.latency + estimate.busy);
  }
  const StepGraph graph = build_step(plan, Batch::decode(64, 4000));
  EXPECT_EQ(cost->cost(first(graph, "scores"), plan.view()).latency.value, 3 * launch);
  EXPECT_EQ(cost->cost(first(graph, "activation"), plan.view()).latency.value, launch / 2);
  EXPECT_EQ(cost->cost(first(graph, "sample"), plan.view()).latency.value, 0);
  EXPECT_EQ(cost->software().host_time.value, 300e-6);
  EXPECT_EQ(cost->reserve_fraction(), 0.08);
  EXPECT_EQ(cost->name(), "told apart");
}

TEST(Efficiency, CollectivesTakeTheFastestAlgorithm) {
  const StepPlan plan = replica(preset("Llama-3.1-8B"), {.tensor = 8});
  const Link link = *machine_named("dgx-h200").device.scale_up;
  const double launch = machine_named("dgx-h200").device.units[0].launch_latency.value;
  for (const double batch : {1., 100'000.}) {
    const Task reduce = first(build_step(plan, Batch::decode(batch, 10)), "reduce attention");
    const auto& collective = std::get<Collective>(reduce.op.shape);
    const BytesPerSecond achieved = link.bandwidth * 0.75;
    CollectiveLinks links = collective_links(plan.view(), collective.ranks);
    links.bandwidth = achieved;
    const CollectiveAlgorithm algorithm = fastest_algorithm(collective, links);
    EXPECT_STREQ(algorithm.name, batch > 1 ? "in-switch" : "one-shot");
    const Estimate estimate = told_apart()->cost(reduce, plan.view());
    EXPECT_DOUBLE_EQ(estimate.latency.value, launch + algorithm.steps * link.latency.value);
    EXPECT_DOUBLE_EQ(estimate.busy.value, (algorithm.wire / achieved).value);
  }
}

TEST(Efficiency, CopiesAndHostKernels) {
  const StepPlan plan = replica(preset("Mixtral-8x7B"), {}, make_placement("streamed"), "xeon-8380-a40");
  const Machine machine = machine_named("xeon-8380-a40");
  const StepGraph graph = build_step(plan, Batch::decode(64, 4000));
  const Task weights = first(graph, "weights in"), scores = first(graph, "scores");
  const Estimate copy = told_apart()->cost(weights, plan.view());
  EXPECT_EQ(copy.latency, machine.device.host_link->latency);
  EXPECT_DOUBLE_EQ(copy.busy.value, (weights.work.wire / machine.device.host_link->bandwidth).value / 0.875);
  const Estimate attention = told_apart()->cost(scores, plan.view());
  EXPECT_DOUBLE_EQ(attention.busy.value, (scores.work.memory() / machine.host->memory.bandwidth).value / 0.625);
  EXPECT_EQ(attention.latency, machine.host->cpu.launch_latency * 3);
}

// What Estimate promises, for every task of every kind of step.
TEST(CostModels, NeverBeatThePeak) {
  const std::pair<Mapping, std::pair<PlacementPointer, const char*>> replicas[] = {
      {{8, 1, 1}, {resident_placement(), "dgx-h200"}},
      {{2, 4, 8}, {resident_placement(), "mi300x-8"}},
      {{4, 1, 1}, {resident_placement(), "l40s-8-pcie"}},
      {{}, {make_placement("two-unit"), "duplex-4"}},
      {{}, {make_placement("streamed"), "xeon-8380-a40"}}};
  for (const auto& [mapping, placed] : replicas) {
    const StepPlan plan = replica(preset("DeepSeek-V3"), mapping, placed.first, placed.second);
    for (const CostModelPointer& cost : {roofline_cost_model(), default_cost_model(), told_apart(),
                                         load_cost_model("measured", machine_named(placed.second))}) {
      for (const Batch& batch : {Batch::decode(1, 10), Batch::decode(300, 5000), Batch::prefill(3, 2000)}) {
        const StepGraph graph = build_step(plan, batch);
        for (const Task& task : graph.tasks) {
          const Estimate estimate = cost->cost(task, plan.view());
          EXPECT_GE(estimate.busy.value, peak_seconds(task, plan.view()).value * (1 - 1e-12)) << task.op.label;
          EXPECT_GE(estimate.latency.value, 0);
          EXPECT_GE(cost->spread(task, plan.view()), 0);
        }
      }
    }
  }
}

// Kernels are built for an instruction set, however near the rates of another one are.
TEST(MeasuredCostModel, BorrowsFromTheSameInstructions) {
  const std::pair<const char*, const char*> lenders[] = {{"h100-pcie", "h100-sxm"},    {"h20", "h100-sxm"},
                                                         {"h800", "h100-sxm"},         {"rtx-4090", "l40s"},
                                                         {"rtx-5090", "rtx-pro-6000"}, {"gb200", "b200"}};
  for (const auto& [machine, lender] : lenders) {
    EXPECT_EQ(measured_cost_model(machine_named(machine), "")->name(),
              fmt::format("vllm-0.24.0 borrowed from {}, scaled by peak rates", lender));
  }
}

// What the routing of the step gives, not what the micro-benchmarks drew.
TEST(TaskKernel, ExpertsHaveTheStepsOwnLoad) {
  const StepPlan plan = replica(preset("DeepSeek-V3"), {8, 1, 8}, resident_placement(), "dgx-h200");
  const StepGraph graph = build_step(plan, Batch::decode(16, 1000));
  double least_experts = 0;
  for (const Task& task : graph.tasks) {
    if (const auto* grouped = std::get_if<GroupedGemm>(&task.op.shape)) {
      const auto kernel = task_kernel(task, plan.view());
      ASSERT_TRUE(kernel && kernel->load);
      EXPECT_EQ(kernel->shape[6], 8);    // expert parallelism
      EXPECT_EQ(kernel->shape[3], 256);  // experts of the whole layer
      EXPECT_EQ(kernel->load->rows, grouped->rows);
      EXPECT_EQ(kernel->load->distinct, grouped->distinct);
      EXPECT_GE(kernel->load->largest, grouped->rows / grouped->distinct);
      EXPECT_LE(kernel->load->largest, 16);
      least_experts = kernel->load->distinct;
    }
  }
  // 16 tokens of 8 experts each choose fewer than half of 256.
  EXPECT_GT(least_experts, 8);
  EXPECT_LT(least_experts, 20);
}

TEST(LoadCostModel, ByName) {
  const Machine h100 = machine_named("dgx-h100"), own = machine_named("mi300x-8");
  EXPECT_EQ(load_cost_model("peak", h100)->name(), roofline_cost_model()->name());
  EXPECT_EQ(load_cost_model("default", h100)->name(), default_cost_model()->name());
  EXPECT_NE(load_cost_model("measured", h100)->name().find("vllm-0.24.0 as measured on h100-sxm"), std::string::npos);
  EXPECT_NE(load_cost_model("trtllm", h100)->name().find("trtllm-1.3.0rc20"), std::string::npos);
  // What nobody measured borrows, and says so.
  EXPECT_NE(load_cost_model("measured", own)->name().find("borrowed"), std::string::npos);
  const std::string unknown = user_error([&] { return load_cost_model("defualt", h100); });
  EXPECT_NE(unknown.find("default"), unknown.npos) << unknown;
  EXPECT_EQ(user_error([&] { return load_cost_model("", h100); }), "--profile: the name is empty");
}

}  // namespace
}  // namespace moesaic
