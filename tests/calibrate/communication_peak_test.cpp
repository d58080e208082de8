// Baselines of measured communication, and what a fold leaves out together.
#include "calibrate/communication_peak.hpp"

#include <gtest/gtest.h>

namespace moesaic {
namespace {

/// Links of 100 GB/s and 1 us with a switch, a network of 10 GB/s and 5 us.
Machine machine() {
  Machine machine = read_machine(load_machine_config("dgx-a100"));
  machine.device.scale_up = Link{.name = "link", .bandwidth = {100e9}, .latency = {1e-6}};
  machine.network = Link{.name = "network", .bandwidth = {10e9}, .latency = {5e-6}};
  return machine;
}

double peak(const char* kernel, const ShapeValues& shape, const Machine& machine) {
  const MeasurementKey key{Family::collective, "some", "nccl", "fp16", "", kernel};
  return communication_peak(key, shape, machine)->value;
}

TEST(CommunicationPeak, OfCollectivesIsTheFastestClosedForm) {
  // Two-shot over 4 ranks: two steps, 2 x 3/4 of 40 MB = 60 MB at 100 GB/s.
  EXPECT_NEAR(peak("all_reduce/custom", {40e6, 4, 4}, machine()), 2e-6 + 600e-6, 1e-12);
  // One-shot wins where latency counts: one step, 3 x 1 kB.
  EXPECT_NEAR(peak("all_reduce", {1e3, 4, 4}, machine()), 1e-6 + 0.03e-6, 1e-12);
  // 3/4 of 40 MB in one step.
  EXPECT_NEAR(peak("all_gather", {40e6, 4, 4}, machine()), 1e-6 + 300e-6, 1e-12);
  // One message to a neighbour: over the link, or over the network where every rank has a node of its own.
  EXPECT_NEAR(peak("send_recv", {40e6, 2, 2}, machine()), 1e-6 + 400e-6, 1e-12);
  EXPECT_NEAR(peak("send_recv", {40e6, 2, 1}, machine()), 5e-6 + 4e-3, 1e-12);
}

TEST(CommunicationPeak, OfExchangesIsTheBusierLevelAndOneMessage) {
  MeasurementKey key{Family::expert_exchange, "some", "deepep", "bf16", "", "low_latency_combine"};
  // 100 tokens to 2 experts each on 4 ranks of one node: 3/4 of 200 rows of 1000 bf16 elements leave, 300 kB.
  const ShapeValues inside{1000, 2, 64, 4, 1, 0, 100};
  EXPECT_NEAR(communication_peak(key, inside, machine())->value, 3e-6 + 1e-6, 1e-12);
  // On two nodes half of the 200 rows leave the node: 200 kB at 10 GB/s, longer than 300 kB at 100 GB/s.
  const ShapeValues across{1000, 2, 64, 4, 2, 0, 100};
  EXPECT_NEAR(communication_peak(key, across, machine())->value, 20e-6 + 1e-6 + 5e-6, 1e-12);
}

TEST(CommunicationPeak, NeedsTheFigures) {
  Machine bare = machine();
  bare.device.name = "of nobody";
  bare.network.reset();
  const MeasurementKey key{Family::collective, "some", "nccl", "fp16", "", "all_reduce"};
  EXPECT_TRUE(communication_peak(key, {1e6, 4, 4}, bare).has_value());
  EXPECT_FALSE(communication_peak(key, {1e6, 4, 2}, bare).has_value());
  bare.device.scale_up.reset();
  bare.device.host_link.reset();
  EXPECT_FALSE(communication_peak(key, {1e6, 4, 4}, bare).has_value());
  EXPECT_FALSE(communication_peak({Family::gemm, "some", "vllm", "fp16", "", ""}, {1, 1, 1}, machine()).has_value());
}

TEST(CrossesNodes, WhereRanksAreMoreThanANodeHas) {
  const MeasurementKey collective{Family::collective, "", "", "", "", ""};
  EXPECT_FALSE(crosses_nodes(collective, {1e6, 8, 8}));
  EXPECT_TRUE(crosses_nodes(collective, {1e6, 8, 4}));
  const MeasurementKey exchange{Family::expert_exchange, "", "", "", "", ""};
  EXPECT_FALSE(crosses_nodes(exchange, {7168, 8, 256, 64, 1, 0, 1}));
  EXPECT_TRUE(crosses_nodes(exchange, {7168, 8, 256, 64, 8, 0, 1}));
}

TEST(HeldTogether, IsTheShapeTheSizeOrTheRanks) {
  const auto held = [](const ShapeValues& shape, Family family, HeldOut held_out) {
    Measurement row;
    row.shape = shape;
    return held_together(row, family, held_out);
  };
  const ShapeValues collective{4096, 8, 4};
  EXPECT_EQ(held(collective, Family::collective, HeldOut::whole_shape), "message_bytes=4096");
  EXPECT_EQ(held(collective, Family::collective, HeldOut::size), "message_bytes=4096");
  EXPECT_EQ(held(collective, Family::collective, HeldOut::ranks), "ranks=8 gpus_per_node=4");
  const ShapeValues exchange{7168, 8, 256, 16, 2, 20, 64};
  EXPECT_EQ(held(exchange, Family::expert_exchange, HeldOut::whole_shape), "hidden=7168 topk=8 num_experts=256");
  EXPECT_EQ(held(exchange, Family::expert_exchange, HeldOut::size), "tokens=64");
  EXPECT_EQ(held(exchange, Family::expert_exchange, HeldOut::ranks), "ranks=16 nodes=2");
  EXPECT_EQ(held({4096, 7168, 16}, Family::gemm, HeldOut::ranks), "n=4096 k=7168");
}

TEST(UseCommunicationPeaks, PutsClosedFormsAndTheirMedianEfficiency) {
  Measurements measurements;
  measurements.files = {"made up"};
  const std::uint32_t key =
      measurements.key_index({Family::collective, "a100-80gb-sxm", "nccl-1", "fp16", "", "all_gather"});
  Judgement judgement;
  // The catalog's A100: 300 GB/s and 2 us; 7/8 of S in one step. Measured at 1/2, 1/4 and 1/5 of that.
  for (const double slower : {2.0, 4.0, 5.0}) {
    Measurement row;
    row.key = key;
    row.shape = {240e6, 8, 8};
    row.latency = {slower * 702e-6};  // 210 MB at 300 GB/s, and 2 us
    JudgedRow judged;
    judged.row = static_cast<std::uint32_t>(measurements.rows.size());
    judged.measured = row.latency.value;
    measurements.rows.push_back(row);
    judgement.rows.push_back(judged);
  }
  use_communication_peaks(judgement, measurements);
  for (const JudgedRow& row : judgement.rows) {
    EXPECT_NEAR(row.roofline, 702e-6, 1e-12);
    EXPECT_NEAR(row.constant, 4 * 702e-6, 1e-12);  // the median of 1/2, 1/4 and 1/5
  }
}

}  // namespace
}  // namespace moesaic
