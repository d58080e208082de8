// unit and closed form: what an engine adds to tasks on a device and its host, and that its files can be read.
#include "calibrate/engine_kernels.hpp"

#include <gtest/gtest.h>

#include "base/catalog.hpp"
#include "calibrate/engine_cost.hpp"
#include "calibrate/software_terms.hpp"
#include "hw/machine.hpp"
#include "tests/model/replicas.hpp"
#include "tests/user_error.hpp"

namespace moesaic {
namespace {

/// 100 TFLOP/s in bf16, 10 in fp32, 100 GB/s.
MachineView simple_view(int sockets = 1) {
  MachineView view;
  view.resources = {{"host.memory.bandwidth", ResourceKind::memory, 100e9},
                    {"host.cpu.peak", ResourceKind::arithmetic, 1}};
  UnitView cpu{.name = "cpu", .arithmetic = 1, .memory = 0};
  cpu.seconds_per_flop.fill(1 / 10e12);
  cpu.seconds_per_flop[static_cast<std::size_t>(DType::bf16)] = 1 / 100e12;
  cpu.on_host = true;
  view.units = {cpu};
  view.sockets = sockets;
  return view;
}

Task experts(double rows, double distinct) {
  Task task;
  task.op = {
      OperatorKind::experts, "experts",
      GroupedGemm{.tokens = rows, .rows = rows, .distinct = distinct, .experts = 8, .hidden = 1000, .width = 1000}};
  task.work = work(task.op);
  task.demands.push_back({1, task.work.flops.value / 100e12});
  task.demands.push_back({0, task.work.memory().value});
  return task;
}

EngineKernels engine(const std::string& text) { return read_engine_kernels(Config::parse(text, "engine.json")); }

TEST(EngineKernels, ProductsOfTheHostByHand) {
  const EngineKernels amx = engine(R"({"host_products": {"bf16": [
      {"arithmetic": "bf16", "compute": 0.1, "memory": 0.5, "rows": 32}]}})");
  // 2 experts with 400 rows each: 3 matrices of 1000 x 1000, 2 FLOP, (800 + 2 * 31 / 2) rows in tiles, 10 TFLOP/s.
  const double padded = 6e6 * (800 + 31);
  EXPECT_NEAR(host_seconds(amx, experts(800, 2), simple_view())->value, padded / 10e12, 1e-9);
  // One row of each is a tile of 32: 6e6 * 64 FLOP take 38 us, but 12 MB of weights at 50 GB/s take 240 us.
  const Task few = experts(2, 2);
  EXPECT_NEAR(host_seconds(amx, few, simple_view())->value, few.work.memory().value / 50e9, 1e-9);
  EXPECT_GT(few.work.memory().value, 12e6);
}

TEST(EngineKernels, TheFastestKernelIsTakenAndNoneBeatsThePeak) {
  const EngineKernels both = engine(R"({"host_products": {"bf16": [
      {"arithmetic": "bf16", "compute": 0.1, "memory": 1, "rows": 1000},
      {"arithmetic": "fp32", "compute": 0.5, "memory": 1}]}})");
  // 8 rows of one expert: 48 MFLOP at 5 TFLOP/s, 9.6 us, instead of a thousand rows at 10; its 6 MB take 60 us.
  EXPECT_NEAR(host_seconds(both, experts(8, 1), simple_view())->value, experts(8, 1).work.memory().value / 100e9, 1e-9);
  // 4,000 rows: 4,999.5 in tiles at 10 TFLOP/s (3 ms) instead of 4,000 at 5 (4.8 ms).
  const double large = host_seconds(both, experts(4000, 1), simple_view())->value;
  EXPECT_NEAR(large, 6e6 * (4000 + 499.5) / 10e12, 1e-9);
  EXPECT_GE(large, peak_seconds(experts(4000, 1), simple_view()).value);
}

TEST(EngineKernels, ThreadsThatKnowNothingOfSockets) {
  const EngineKernels blind = engine(R"({"across_sockets": 0.25, "host_products": {"bf16": [
      {"arithmetic": "bf16", "compute": 1, "memory": 0.75}]}})");
  const double one = host_seconds(blind, experts(1, 1), simple_view(1))->value;
  const double two = host_seconds(blind, experts(1, 1), simple_view(2))->value;
  EXPECT_NEAR(two / one, 3, 1e-9);
}

TEST(EngineKernels, WhatTheMachineAttainsCountsBeforeWhatEnginesDo) {
  const EngineKernels some = engine(R"({"host_products": {"bf16": [
      {"arithmetic": "bf16", "compute": 1, "memory": 0.75}]}})");
  MachineView view = simple_view();
  view.host_memory_attained = 0.45;
  const Task task = experts(1, 1);
  EXPECT_NEAR(host_seconds(some, task, view)->value, task.work.memory().value / 45e9, 1e-12);
}

TEST(EngineKernels, NothingIsSaidOfOtherFormatsAndOperators) {
  const EngineKernels some = engine(R"({"host_products": {"int8": [
      {"arithmetic": "int8", "compute": 1, "memory": 1}]}})");
  EXPECT_FALSE(host_seconds(some, experts(1, 1), simple_view()));
  Task norm;
  norm.op = {OperatorKind::norm, "norm", Elementwise{}};
  EXPECT_FALSE(host_seconds(some, norm, simple_view()));
}

TEST(EngineKernels, LaunchesByHand) {
  const Launches launches = engine(R"({"device": {"kernels": 3, "kernels_per_expert": 10, "pace": "5 us"}})").device;
  EXPECT_NEAR(launches.time(Operator{OperatorKind::norm, "norm", Elementwise{}}).value, 15e-6, 1e-15);
  EXPECT_NEAR(launches.time(experts(8, 8).op).value, 400e-6, 1e-15);
}

TEST(EngineKernels, LoopsThatVisitEveryExpert) {
  const Launches launches =
      engine(R"({"device": {"kernels": 3, "kernels_per_expert": 16, "kernels_per_idle_expert": 6, "pace": "5 us"}})")
          .device;
  // Two of eight are used: 2 x 16 + 6 x 6 launches.
  EXPECT_NEAR(launches.time(experts(2, 2).op).value, 68 * 5e-6, 1e-15);
}

TEST(EngineKernels, TilesOfExpertsOnTheDeviceByHand) {
  const EngineKernels tiles = engine(R"({"device_experts": {"compute": 0.1, "rows": 64}})");
  MachineView view = simple_view();
  view.units[0].on_host = false;
  // 9 rows of each of 8 experts fill 64: 6 MFLOP a row, 10 TFLOP/s. 800 rows of two have 63 more in half-filled tiles.
  EXPECT_NEAR(device_expert_seconds(tiles, experts(72, 8), view).value, 6e6 * 8 * 64 / 10e12, 1e-12);
  EXPECT_NEAR(device_expert_seconds(tiles, experts(800, 2), view).value, 6e6 * (800 + 63) / 10e12, 1e-9);
  EXPECT_EQ(device_expert_seconds(engine("{}"), experts(72, 8), view), Seconds{});
  // Half of that on Turing; and all of it less where the device's own products attain a quarter of its peak.
  const EngineKernels old = engine(R"({"device_experts": {"compute": 0.1, "before_ampere": 0.05, "rows": 64}})");
  view.device_attained.compute = 0.25;
  EXPECT_NEAR(device_expert_seconds(old, experts(72, 8), view).value, 6e6 * 8 * 64 / 2.5e12, 1e-12);
  view.units[0].compute_capability = 7.5;
  EXPECT_NEAR(device_expert_seconds(old, experts(72, 8), view).value, 6e6 * 8 * 64 / 1.25e12, 1e-12);
}

// A hundred latents of 512 numbers, of which 4 heads' 256 are rebuilt: 2 x 100 x 512 x 1024 FLOP, and twice 102,400
// numbers of 2 bytes.
TEST(EngineKernels, RebuildingByHand) {
  const EngineKernels moe_gen = engine(R"({"rebuilt_latent": 256})");
  MachineView view = simple_view();
  view.units[0].on_host = false;
  Task attention;
  attention.op = {
      OperatorKind::attention_decode, "scores",
      SoftmaxScores{.sequences = 2, .heads = 4, .qk_dim = 576, .v_dim = 512, .read_tokens = 50, .shared_kv = true}};
  attention.work = work(attention.op);
  const double product =
      2.0 * 100 * 512 * 4 * 256 * view.units[0].seconds_per_flop[static_cast<std::size_t>(attention.work.arithmetic)];
  EXPECT_NEAR(rebuilding_seconds(moe_gen, attention, view, 0.7).value, product + 2 * 102400 * 2 / 70e9, 1e-15);
  EXPECT_EQ(rebuilding_seconds(engine("{}"), attention, view, 0.7), Seconds{});
  std::get<SoftmaxScores>(attention.op.shape).shared_kv = false;
  EXPECT_EQ(rebuilding_seconds(moe_gen, attention, view, 0.7), Seconds{});
}

TEST(EngineKernels, UnpackingByHand) {
  const EngineKernels flexgen = engine(R"({"unpacked": {"int4": 12.5}})");
  MachineView view = simple_view();
  view.units[0].on_host = false;
  Task product;
  product.op = {OperatorKind::projection, "product",
                Gemm{.m = 8, .n = 1000, .k = 1000, .weights = {DType::int4, 4.15625}}};
  product.work = work(product.op);
  // A million elements: 12.5 bytes each to unpack, 2 more to read; 70 of 100 GB/s.
  EXPECT_NEAR(unpacking_seconds(flexgen, product, view, 0.7).value, 14.5e6 / 70e9, 1e-12);
  Task attention;
  attention.op = {OperatorKind::attention_decode, "scores",
                  SoftmaxScores{.cached = Bytes{5e5}, .kv = {DType::int4, 4}}};
  attention.work.kv = Bytes{6e5};  // what is new is not unpacked
  EXPECT_NEAR(unpacking_seconds(flexgen, attention, view, 0.7).value, 14.5e6 / 70e9, 1e-12);
  EXPECT_EQ(unpacking_seconds(flexgen, experts(72, 8), view, 0.7), Seconds{});  // bf16
  EXPECT_EQ(unpacking_seconds(engine("{}"), product, view, 0.7), Seconds{});
}

TEST(EngineCost, EveryTaskTakesItsLaunchesAndCopiesTheirHandover) {
  const Machine machine = machine_named("xeon-8380-a40");
  const CostModelPointer plain = default_cost_model();
  const CostModelPointer run = engine_cost_model(plain, "transformers", machine.device.name);
  const MachineView view = view_machine(machine, 1);
  Task norm;
  norm.op = {OperatorKind::norm, "norm", Elementwise{.elements_read = 10, .elements_written = 10}};
  // Seven kernels, 16 us apart.
  EXPECT_NEAR(run->cost(norm, view).latency.value, 112e-6, 1e-12);
  EXPECT_DOUBLE_EQ(run->cost(norm, view).busy.value, plain->cost(norm, view).busy.value);
  Task copy;
  copy.op = {OperatorKind::transfer, "tokens out", Transfer{}};
  copy.communication = true;
  copy.queue = Queue::to_host;
  EXPECT_NEAR((run->cost(copy, view).latency - plain->cost(copy, view).latency).value, 20e-6, 1e-12);
  copy.queue = Queue::prefetch;  // nobody waits for it at once
  EXPECT_DOUBLE_EQ(run->cost(copy, view).latency.value, plain->cost(copy, view).latency.value);
}

// What a device's own file says that it attains: 32.7% of the T4's 65 TFLOP/s.
TEST(Attained, NoKernelOfTheDeviceExceedsIt) {
  Machine machine = machine_named("t4");
  const CostModelPointer cost = default_cost_model();
  Task product;
  const StorageType half{DType::fp16, 16};
  product.op = {OperatorKind::projection, "product",
                Gemm{.m = 4096, .n = 4096, .k = 4096, .weights = half, .activations = half, .arithmetic = DType::fp16}};
  product.work = work(product.op);
  const MachineView view = view_machine(machine, 1);
  product.demands.push_back({view.units[0].arithmetic, product.work.flops.value / 65e12});
  product.demands.push_back({view.units[0].memory, product.work.memory().value});
  EXPECT_NEAR(cost->cost(product, view).busy.value, 2.0 * 4096 * 4096 * 4096 / (0.327 * 65e12), 1e-9);
  machine.device.attained = {};
  EXPECT_LT(cost->cost(product, view_machine(machine, 1)).busy.value, 2.0 * 4096 * 4096 * 4096 / (0.327 * 65e12));
}

TEST(EngineKernels, EveryShippedFileCanBeRead) {
  int with_kernels = 0;
  for (const Software& software : shipped_software()) {
    with_kernels += software.kernels ? 1 : 0;
  }
  EXPECT_GE(with_kernels, 5);
}

TEST(EngineKernels, MistakesAreOneLine) {
  const auto mistake = [](const char* text) { return user_error([&] { return engine(text); }); };
  EXPECT_EQ(mistake(R"({"device": {"kernels": 0, "pace": "1 us"}})"),
            "engine.json: device.kernels: must be from 1 to 1e6");
  EXPECT_EQ(mistake(R"({"rebuilt_latent": -1})"),
            "engine.json: rebuilt_latent: must be from 0 to 100000: numbers of one head's key and value");
  EXPECT_EQ(mistake(R"({"unpacked": {"int4": -1}})"),
            "engine.json: unpacked.int4: must be from 0 to 1000: bytes read and written for an element");
  EXPECT_NE(mistake(R"({"device_experts": {"compute": 1.5, "rows": 64}})").find("at most 1"), std::string::npos);
  EXPECT_NE(mistake(R"({"host_products": {"bf17": []}})").find("bf16"), std::string::npos);
  EXPECT_NE(mistake(R"({"host_products": {"bf16": []}})").find("is empty"), std::string::npos);
  EXPECT_NE(mistake(R"({"host_products": {"bf16": [{"arithmetic": "bf16", "compute": 2, "memory": 1}]}})")
                .find("compute: must be above 0 and at most 1"),
            std::string::npos);
  EXPECT_NE(
      user_error([] { return engine_cost_model(default_cost_model(), "transfomers", "a40"); }).find("transformers"),
      std::string::npos);
}

}  // namespace
}  // namespace moesaic
