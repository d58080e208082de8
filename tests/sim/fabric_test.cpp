// Collectives as flows: equal to the closed form where nobody shares a link, longer where links are shared.
#include "sim/fabric.hpp"

#include <gtest/gtest.h>

#include "hw/machine_topology.hpp"
#include "sim/collective_flows.hpp"
#include "sim/contended_cost.hpp"
#include "sim/predict.hpp"
#include "sim/simgrid_flows.hpp"
#include "tests/temporary_file.hpp"
#include "tests/user_error.hpp"

namespace moesaic {
namespace {

Machine cluster(int nodes, const std::string& fabric) {
  const std::string text = R"({"name": "test", "kind": "cluster", "node": "hgx-h800", "nodes": )" +
                           std::to_string(nodes) + R"(, "fabric": )" + fabric + "}";
  const std::string file = temporary_file("fabric-cluster.json");
  FILE* out = fopen(file.c_str(), "w");
  fputs(text.c_str(), out);
  fclose(out);
  return read_machine(load_machine_config(file));
}

// As many spines as a leaf has adapters: nothing is shared. With a quarter of them every leaf's uplinks carry four
// times their share.
std::string leaf_spine_fabric(int spines) {
  return R"({"kind": "leaf-spine", "leaves": 4, "spines": )" + std::to_string(spines) +
         R"(, "endpoint": {"bandwidth": "50 GB/s", "latency": "1 us"}, "trunk": {"bandwidth": "50 GB/s", "latency": "1 us"}})";
}

constexpr CollectiveKind kKinds[] = {CollectiveKind::all_reduce,     CollectiveKind::all_gather,
                                     CollectiveKind::reduce_scatter, CollectiveKind::all_to_all,
                                     CollectiveKind::broadcast,      CollectiveKind::send_receive};

TEST(Fabric, EqualsTheClosedFormWithoutContention) {
  const Machine machine = cluster(8, "\"mpft-8x64\"");
  const Topology topology = build_topology(describe_topology(machine));
  for (const int ranks : {4, 8, 16, 64}) {
    const CollectiveLinks links = collective_links(view_machine(machine, 64), ranks);
    for (const CollectiveKind kind : kKinds) {
      const Collective collective{kind, Bytes{256e6}, ranks};
      for (const CollectiveAlgorithm& algorithm : collective_algorithms(collective, links)) {
        const std::string text = std::string(name(kind)) + " " + algorithm.name + " of " + std::to_string(ranks);
        const auto time = [&](FabricModel model) {
          return collective_time(collective, algorithm, links, 1, {&topology, {}, model});
        };
        const FabricTime closed = time(FabricModel::closed_form), flows = time(FabricModel::flows);
        ASSERT_NEAR(flows.busy / closed.busy, 1, 1e-3) << text;
        ASSERT_EQ(flows.latency, closed.latency) << text;
        ASSERT_LE(flows.bound.value, flows.busy.value * (1 + 1e-9)) << text;
        if (find_simgrid() && ranks == 16) {
          ASSERT_NEAR(time(FabricModel::simgrid).busy / flows.busy, 1, 1e-3) << text;
        }
      }
    }
  }
}

// 2 nodes on each of 4 leaves, a quarter of the spines: an all-to-all sends 48 of 64 parts through uplinks with a
// quarter of the adapters' bandwidth, 4 x 48 parts' time against 56 of the adapter's own.
TEST(Fabric, TaperedUplinksAreShared) {
  const Machine machine = cluster(8, leaf_spine_fabric(4));
  const Topology topology = build_topology(describe_topology(machine));
  const CollectiveLinks links = collective_links(view_machine(machine, 64), 64);
  const Collective exchange{CollectiveKind::all_to_all, Bytes{64e6}, 64};
  const auto algorithm = collective_algorithms(exchange, links).front();
  const FabricTime closed = collective_time(exchange, algorithm, links, 1, {nullptr, {}, FabricModel::closed_form});
  const FabricTime flows = collective_time(exchange, algorithm, links, 1, {&topology, {}, FabricModel::flows});
  EXPECT_DOUBLE_EQ(closed.busy.value, 56e6 / 50e9);
  EXPECT_NEAR(flows.busy.value, 4 * 48e6 / 50e9, 1e-9);
}

// Groups that run the same collective at once share the links between their nodes; inside nodes they do not meet.
TEST(Fabric, GroupsShareTheNetwork) {
  const Machine machine = cluster(8, leaf_spine_fabric(4));
  const Topology topology = build_topology(describe_topology(machine));
  const MachineView view = view_machine(machine, 64);
  for (const int ranks : {8, 32}) {
    const CollectiveLinks links = collective_links(view, ranks);
    const Collective exchange{CollectiveKind::all_to_all, Bytes{64e6}, ranks};
    const auto algorithm = collective_algorithms(exchange, links).front();
    const Fabric fabric{&topology, {}, FabricModel::flows};
    const Seconds one = collective_time(exchange, algorithm, links, 1, fabric).busy;
    const Seconds all = collective_time(exchange, algorithm, links, 64 / ranks, fabric).busy;
    EXPECT_GE(all.value, one.value * (1 - 1e-9));
    if (ranks == 8) {
      EXPECT_NEAR(all / one, 1, 1e-9);
    }
  }
}

Deployment deepseek(const Machine& machine, FabricModel model, const std::string& routing = "uniform") {
  const Architecture architecture = read_architecture(load_model_config("DeepSeek-V3"));
  StepPlan plan(architecture, architecture.precision, machine, {.tensor = 1, .data = 64, .expert = 64},
                resident_placement(), routing);
  const CostModelPointer cost = contended_cost_model(default_cost_model(), plan, {}, model);
  return {std::move(plan), cost};
}

// A network with fewer spines is never faster, one that nobody shares costs the closed form, and no prediction beats
// the limit.
TEST(ContendedCost, OnlySlowsWhatIsShared) {
  const Load load{.batch = 4096, .input = 1024, .output = 64};
  const Prediction closed = predict(deepseek(cluster(8, leaf_spine_fabric(16)), FabricModel::closed_form), load);
  const Prediction full = predict(deepseek(cluster(8, leaf_spine_fabric(16)), FabricModel::flows), load);
  const Prediction tapered = predict(deepseek(cluster(8, leaf_spine_fabric(4)), FabricModel::flows), load);
  EXPECT_NEAR(full.tpot / closed.tpot, 1, 1e-9);
  EXPECT_GT(tapered.tpot.value, full.tpot.value * 1.1);
  EXPECT_GT(tapered.ttft.value, full.ttft.value);
  EXPECT_GE(tapered.decode.seconds.value, tapered.decode.limit.seconds.value);
  double bars = tapered.decode.limit.seconds.value;
  for (const WaterfallBar& bar : tapered.decode.waterfall) {
    bars += bar.seconds.value;
  }
  EXPECT_NEAR(bars / tapered.decode.seconds.value, 1, 1e-9);
}

// Skewed routing sends more to the ranks of popular experts: the wire feels it, not only the kernels.
TEST(ContendedCost, ImbalanceReachesTheWire) {
  const Machine machine = cluster(8, leaf_spine_fabric(16));
  const auto network = [&](const std::string& routing) {
    const Deployment deployment = deepseek(machine, FabricModel::closed_form, routing);
    return total_work(build_step(deployment.plan, Batch::decode(4096, 1024))).network.value;
  };
  EXPECT_GT(network("zipf:1.0"), 1.05 * network("uniform"));
}

// Rows that DeepEP's kernels bring are multiplied as the kernels of wide expert groups were measured, H100's borrowed
// by H800: far faster than fused kernels that look for their rows among the tokens of all 64 ranks.
TEST(WideExperts, TakeTheRowsThatArrive) {
  const Machine machine = cluster(8, "\"mpft-8x64\"");
  const Architecture architecture = read_architecture(load_model_config("DeepSeek-V3"));
  const CostModelPointer cost = load_cost_model("measured", machine);
  const auto experts = [&](ExchangeKind kind) {
    const StepPlan plan(architecture, architecture.precision, machine, {.tensor = 1, .data = 64, .expert = 64},
                        resident_placement(), "uniform", kind);
    const StepGraph graph = build_step(plan, Batch::decode(4096, 1024));
    for (const Task& task : graph.tasks) {
      if (task.op.kind == OperatorKind::experts) {
        EXPECT_GE(cost->cost(task, plan.view()).median().value, peak_seconds(task, plan.view()).value);
        return cost->cost(task, plan.view()).median().value;
      }
    }
    return 0.0;
  };
  EXPECT_LT(experts(ExchangeKind::low_latency), 0.5 * experts(ExchangeKind::all_to_all));
  EXPECT_EQ(experts(ExchangeKind::low_latency), experts(ExchangeKind::automatic));
}

}  // namespace
}  // namespace moesaic
