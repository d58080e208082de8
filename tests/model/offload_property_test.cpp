// Closed forms of offloading systems: what must hold for any model, machine and load.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "model/offload/fetch_bounds.hpp"
#include "model/offload/flexgen_cost.hpp"
#include "model/offload/hierarchical_roofline.hpp"
#include "model/offload/lightning_optimizer.hpp"
#include "model/offload/moe_lens.hpp"

namespace moesaic {
namespace {

double number(int least, int most) { return *rc::gen::inRange(least, most + 1); }

AlikeLayers any_model() {
  const double kv_heads = number(1, 8), experts = number(1, 16);
  return {.layers = number(3, 80),
          .hidden = 128 * number(8, 40),
          .heads = kv_heads * number(1, 8),
          .kv_heads = kv_heads,
          .head_dim = 128,
          .width = 128 * number(4, 80),
          .experts = experts,
          .experts_per_token = number(1, static_cast<int>(experts)),
          .matrices = 3};
}

lightning::Machine any_machine() {
  return {.gpu_memory = {number(40, 160) * 1e9},
          .cpu_memory = {number(200, 2000) * 1e9},
          .link = {number(4, 64) * 1e9},
          .gpu_bandwidth = {number(200, 3000) * 1e9},
          .cpu_bandwidth = {number(30, 500) * 1e9},
          .gpu = {number(20, 1000) * 1e12},
          .cpu = {number(1, 20) * 1e12}};
}

// Stage 2 of MoE-Lens becomes Stage 1: every request more is generated at T_max g / (p + g) in the end.
RC_GTEST_PROP(MoeLens, ManyRequestsReachStageOne, ()) {
  const double prompt = number(1, 2000), generated = number(1, 500), kv = number(1000, 4000000);
  const Seconds streaming{0.1 * number(1, 100)};
  const PerSecond gpu{number(100, 10000) * 1.0};
  const PerSecond most = moe_lens::most_tokens(moe_lens::memory_efficiency(prompt, generated), kv, streaming, gpu);
  const double limit = most.value * generated / (prompt + generated);
  double before = 0;
  for (const double requests : {1e3, 1e6, 1e12}) {
    const auto time = moe_lens::batch_time({requests, prompt, generated, 1}, kv, streaming, gpu);
    RC_ASSERT(time.generated.value >= before * (1 - 1e-12));
    RC_ASSERT(time.generated.value <= limit * (1 + 1e-9));
    before = time.generated.value;
  }
  RC_ASSERT(before > limit * (1 - 1e-3));
}

RC_GTEST_PROP(MoeLens, LargerBlocksOfKvNeverHelp, ()) {
  const double prompt = number(1, 2000), generated = number(1, 500);
  double before = moe_lens::kv_token_passes(prompt, generated, 1);
  RC_ASSERT(std::abs(before - (generated + 1) * (prompt + generated / 2)) < 1e-6 * before);
  for (const double block : {2., 4., 8., 16., 32.}) {  // each divides the next
    const double passes = moe_lens::kv_token_passes(prompt, generated, block);
    RC_ASSERT(passes >= before);
    RC_ASSERT(passes <= moe_lens::kv_token_passes(prompt, generated, 1) + (generated + 1) * (block - 1));
    before = passes;
  }
}

RC_GTEST_PROP(MoeLens, PrintedEfficiencyLeavesOutTheFirstToken, ()) {
  const double prompt = number(1, 2000), generated = number(1, 500);
  const double exact = (prompt + generated) / moe_lens::memory_efficiency(prompt, generated);
  const double printed = (prompt + generated) / moe_lens::printed_memory_efficiency(prompt, generated);
  RC_ASSERT(std::abs(exact - printed - (prompt + generated / 2)) < 1e-9 * exact);
}

// Saturating tokens make the simplest form of the intensity the machine's balance.
RC_GTEST_PROP(MoeLens, SaturationIsWhereIntensityMeetsTheLink, ()) {
  const AlikeLayers model = any_model();
  const FlopsPerSecond compute{number(10, 1000) * 1e12};
  const BytesPerSecond link{number(4, 64) * 1e9};
  const double tokens = moe_lens::tokens_to_saturate(model, compute, link);
  const double ratio = moe_lens::expert_gemm_intensity(model, tokens) / (compute / link);
  RC_ASSERT(std::abs(ratio - 1) < 1e-12);
}

RC_GTEST_PROP(HierarchicalRoofline, NeverAboveAnyRoof, ()) {
  const HierarchicalRoofline roofline{.upper = {{number(1, 1000) * 1e12}, {number(100, 4000) * 1e9}},
                                      .lower = {{number(1, 20) * 1e12}, {number(20, 500) * 1e9}},
                                      .link = {number(4, 64) * 1e9}};
  const FlopsPerByte upper{number(1, 4000) * 0.25}, lower{number(1, 4000) * 0.25};
  const FlopsPerSecond reached = attainable(roofline, upper, lower);
  RC_ASSERT(reached <= attainable(roofline.upper, upper));
  RC_ASSERT(reached <= roofline.link * lower);
  // Below P2 the link is the limit, above it is not.
  const bool linked = lower < link_turning_point(roofline, upper);
  RC_ASSERT(linked == (roofline.link * lower < attainable(roofline.upper, upper)));
}

lightning::Policy any_policy() {
  return {.micro_batch = *rc::gen::inRange<std::int64_t>(1, 200),
          .micro_batches = *rc::gen::inRange<std::int64_t>(1, 40),
          .resident = number(0, 100) * 0.01,
          .gpu_attention = number(0, 1) == 1};
}

RC_GTEST_PROP(LightningOptimizer, FasterMachinesAreNeverSlower, ()) {
  const AlikeLayers model = any_model();
  const lightning::Policy policy = any_policy();
  const lightning::Load load{number(1, 2000) * 1.0, number(2, 300) * 1.0};
  const lightning::Machine machine = any_machine();
  const Seconds before = lightning::cost(model, machine, load, policy).layer;
  const auto with = [&](auto change) {
    lightning::Machine faster = machine;
    change(faster);
    return lightning::cost(model, faster, load, policy).layer;
  };
  RC_ASSERT(with([](auto& m) { m.link *= 2; }) <= before);
  RC_ASSERT(with([](auto& m) { m.gpu_bandwidth *= 2; }) <= before);
  RC_ASSERT(with([](auto& m) { m.cpu_bandwidth *= 2; }) <= before);
  RC_ASSERT(with([](auto& m) { m.gpu *= 2; }) <= before);
  RC_ASSERT(with([](auto& m) { m.cpu *= 2; }) <= before);
}

// The share that is worked out beats every one of a grid that fits.
RC_GTEST_PROP(LightningOptimizer, BestShareIsTheBest, ()) {
  const AlikeLayers model = any_model();
  lightning::Policy policy = any_policy();
  const lightning::Load load{number(1, 500) * 1.0, number(2, 300) * 1.0};
  const lightning::Machine machine = any_machine();
  const auto best = lightning::with_best_share(model, machine, load, policy);
  RC_PRE(best.has_value());
  RC_ASSERT(lightning::cost(model, machine, load, *best).fits);
  for (int i = 0; i <= 100; ++i) {
    policy.resident = i / 100.;
    const lightning::Cost cost = lightning::cost(model, machine, load, policy);
    if (cost.fits) {
      RC_ASSERT(lightning::cost(model, machine, load, *best).layer.value <= cost.layer.value * (1 + 1e-9));
    }
  }
}

// Memory is linear in the share, so that the least that a policy takes is that of no or of all resident experts.
RC_GTEST_PROP(LightningOptimizer, AShareFitsFromTheLeastMemoryOn, ()) {
  const AlikeLayers model = any_model();
  lightning::Policy policy = any_policy();
  const lightning::Load load{number(1, 500) * 1.0, number(2, 300) * 1.0};
  lightning::Machine machine = any_machine();
  policy.resident = 0;
  const Bytes none = lightning::cost(model, machine, load, policy).gpu_memory;
  policy.resident = 1;
  const Bytes least = std::min(none, lightning::cost(model, machine, load, policy).gpu_memory);
  machine.cpu_memory = {1e18};
  machine.gpu_memory = least * (1.001 / machine.gpu_share);
  RC_ASSERT(lightning::with_best_share(model, machine, load, policy).has_value());
  machine.gpu_memory = least * (0.999 / machine.gpu_share);
  RC_ASSERT(!lightning::with_best_share(model, machine, load, policy).has_value());
}

// The search stops where more micro-batches cannot gain; looking at all of them finds nothing better.
RC_GTEST_PROP(LightningOptimizer, SearchMissesNothing, ()) {
  const AlikeLayers model = any_model();
  const lightning::Load load{number(1, 500) * 1.0, number(2, 300) * 1.0};
  const lightning::Machine machine = any_machine();
  const bool gpu_attention = number(0, 1) == 1;
  const auto tried = lightning::micro_batches_that_fit(model, machine, load, gpu_attention, 97);
  const auto best = lightning::best_policy(model, machine, load, tried, gpu_attention);
  RC_ASSERT(best.has_value() == !tried.empty());
  RC_PRE(best.has_value());
  for (const std::int64_t micro : tried) {
    for (std::int64_t turns = 1; turns <= 40; ++turns) {
      const lightning::Policy policy{.micro_batch = micro, .micro_batches = turns, .gpu_attention = gpu_attention};
      if (const auto shared = lightning::with_best_share(model, machine, load, policy)) {
        const lightning::Cost cost = lightning::cost(model, machine, load, *shared);
        RC_ASSERT(cost.decode_rate.value <= best->cost.decode_rate.value * (1 + 1e-8));
      }
    }
  }
}

RC_GTEST_PROP(LightningOptimizer, MoreMemoryNeverHurts, ()) {
  const AlikeLayers model = any_model();
  const lightning::Load load{number(1, 500) * 1.0, number(2, 300) * 1.0};
  lightning::Machine machine = any_machine();
  const std::vector<std::int64_t> grid{1, 8, 64};
  const auto best = lightning::best_policy(model, machine, load, grid, false);
  machine.gpu_memory *= 1.3;
  machine.cpu_memory *= 1.1;
  const auto roomier = lightning::best_policy(model, machine, load, grid, false);
  RC_PRE(best.has_value());
  RC_ASSERT(roomier.has_value());
  RC_ASSERT(roomier->cost.decode_rate.value >= best->cost.decode_rate.value * (1 - 1e-9));
}

flexgen::Shares any_shares() {
  const double gpu = number(0, 100) * 0.01, cpu = (1 - gpu) * number(0, 100) * 0.01;
  return {gpu, cpu, 1 - gpu - cpu};
}

RC_GTEST_PROP(FlexGen, FasterDiskAndLinkAreNeverSlower, ()) {
  const AlikeLayers model = any_model();
  const flexgen::Policy policy{.micro_batch = *rc::gen::inRange<std::int64_t>(1, 200),
                               .micro_batches = *rc::gen::inRange<std::int64_t>(1, 20),
                               .weights = any_shares(),
                               .kv = any_shares(),
                               .activations = any_shares()};
  const flexgen::Load load{number(1, 2000) * 1.0, number(2, 300) * 1.0};
  const flexgen::Cost before = flexgen::cost(model, {}, load, policy);
  flexgen::Rates faster;
  faster.to_gpu *= 2;
  faster.from_disk *= 2;
  const flexgen::Cost after = flexgen::cost(model, faster, load, policy);
  RC_ASSERT(after.total <= before.total);
  RC_ASSERT(after.gpu_memory == before.gpu_memory);
  // All weights, activations and keys and values of a long run lie somewhere.
  const Bytes weights = Bytes{2 * model.layers *
                              (2 * model.hidden * (model.hidden + model.kv_hidden()) +
                               model.matrices * model.hidden * model.width * model.experts)};
  const Bytes all = before.gpu_memory + before.cpu_memory + before.disk;
  RC_ASSERT(all.value >= weights.value * (1 - 1e-9));
}

FetchedBlocks any_blocks() {
  const double held = number(1, 256);
  return {.blocks = number(1, 60) * 1.0,
          .other = {number(0, 1000) * 1e-6},
          .gate = {number(0, 50) * 1e-6},
          .experts = {number(0, 1000) * 1e-6},
          .held = held,
          .chosen = number(1, static_cast<int>(held)) * 1.0,
          .expert = {number(1, 500) * 1e6},
          .link = {number(4, 64) * 1e9},
          .other_weights = {number(0, 20) * 1e9}};
}

RC_GTEST_PROP(FetchBounds, OrderOfPolicies, ()) {
  const FetchedBlocks blocks = any_blocks();
  const Seconds resident = pass_time(blocks, ExpertFetch::resident);
  const Seconds gated = pass_time(blocks, ExpertFetch::pre_gated);
  const Seconds demand = pass_time(blocks, ExpertFetch::on_demand);
  RC_ASSERT(resident.value <= gated.value * (1 + 1e-12));
  RC_ASSERT(gated.value <= demand.value * (1 + 1e-12));
  RC_ASSERT(peak_weights(blocks, ExpertFetch::on_demand) <= peak_weights(blocks, ExpertFetch::pre_gated));
  RC_ASSERT(peak_weights(blocks, ExpertFetch::pre_gated) <= peak_weights(blocks, ExpertFetch::all_in_advance));
  RC_ASSERT(peak_weights(blocks, ExpertFetch::all_in_advance) <= peak_weights(blocks, ExpertFetch::resident));
}

// The recurrence settles to its closed form, more slots never hurt, and a slot for every layer is resident.
RC_GTEST_PROP(Ring, SettlesToTheClosedForm, ()) {
  const std::int64_t layers = *rc::gen::inRange<std::int64_t>(1, 24);
  Ring ring{.layers = layers,
            .slots = *rc::gen::inRange<std::int64_t>(1, 26),
            .load = {number(0, 100) * 1e-3},
            .compute = {number(0, 100) * 1e-3}};
  const std::int64_t many = 200;
  const double layer = ring_layer_time(ring).value;
  const double settled = (ring_time(ring, 2 * many) - ring_time(ring, many)).value;
  RC_ASSERT(std::abs(settled - static_cast<double>(many * layers) * layer) < 1e-6 + 0.02 * settled);
  const Seconds before = ring_time(ring, 3);
  ring.slots += 1;
  RC_ASSERT(ring_time(ring, 3) <= before);
}

RC_GTEST_PROP(AttentionSplit, BestBeatsEveryTenth, ()) {
  const AttentionSplit split{{number(0, 1000) * 1e-6}, {number(0, 1000) * 1e-6}, {number(0, 1000) * 1e-6}};
  const Seconds best = split_time(split, best_split(split));
  for (int tenth = 0; tenth <= 10; ++tenth) {
    RC_ASSERT(best.value <= split_time(split, tenth * 0.1).value * (1 + 1e-12));
  }
}

RC_GTEST_PROP(ExpertMisses, AllHitsAreResident, ()) {
  ExpertMisses misses{.layers = number(1, 60) * 1.0,
                      .per_token = number(1, 8) * 1.0,
                      .hit = number(0, 100) * 0.01,
                      .expert = {number(1, 500) * 1e6},
                      .link = {number(4, 64) * 1e9},
                      .resident = {number(1, 100) * 1e-3},
                      .window = {number(0, 10) * 1e-3}};
  const Seconds before = token_time(misses);
  RC_ASSERT(before >= misses.resident);
  misses.hit = 1;
  RC_ASSERT(token_time(misses) == misses.resident);
}

// Unlimited host memory bandwidth leaves each resource to itself.
RC_GTEST_PROP(LayerWork, SharedMemoryIsOneMoreRoof, ()) {
  LayerWork work{.gpu = {number(0, 100) * 1e-3},
                 .cpu = {number(0, 100) * 1e-3},
                 .to_gpu = {number(0, 100) * 1e7},
                 .to_cpu = {number(0, 100) * 1e7},
                 .cpu_traffic = {number(0, 100) * 1e8},
                 .link = {number(4, 64) * 1e9},
                 .cpu_bandwidth = {number(20, 500) * 1e9}};
  const Seconds shared = pipelined_layer_time(work);
  work.cpu_bandwidth = {std::numeric_limits<double>::infinity()};
  const Seconds apart = pipelined_layer_time(work);
  RC_ASSERT(apart <= shared);
  RC_ASSERT(apart == std::max({work.gpu, work.cpu, work.to_gpu / work.link, work.to_cpu / work.link}));
}

}  // namespace
}  // namespace moesaic
