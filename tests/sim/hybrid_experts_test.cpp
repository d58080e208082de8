// What must hold of experts that a hybrid placement keeps, copies in, or leaves to the host.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "tests/sim/hybrids.hpp"
#include "tests/sim/rounding.hpp"

namespace moesaic {
namespace {

using namespace hybrids;

TEST(HybridExperts, NoHitsAreOnDemand) {
  for (const char* model : {"Mixtral-8x7B", "Qwen3-30B"}) {
    HybridDescription cached = described(MissingExperts::fetched, 0.25);
    cached.hits = 0;
    EXPECT_DOUBLE_EQ(times(model, cached).decode, times(model, described(MissingExperts::fetched)).decode) << model;
  }
}

// Of experts that are fetched. A host that computes the others works beside the device: all on the device may be
// slower.
TEST(HybridExperts, MoreHitsAreNeverSlower) {
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

TEST(HybridExperts, PerfectPrefetchIsNeverSlowerAndGuessesHelp) {
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
TEST(HybridExperts, AddingACpuNeverHurts) {
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
// attain. What the device computes of every token need not wait for what is copied in.
RC_GTEST_PROP(HybridExperts, DividingCostsNoMoreThanEitherWay, ()) {
  const auto factor = [] { return std::pow(2, *rc::gen::inRange(-30, 31) / 10.0); };
  Machine machine = roomy();
  const double memory = factor(), device = factor();
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
  // The division knows what the device's products of experts attain, not what each kernel does.
  constexpr double kAttained = 1.06;
  const double either = std::min(with(MissingExperts::host), with(MissingExperts::fetched));
  RC_ASSERT(with(MissingExperts::balanced) <= either * kAttained);
  RC_ASSERT(with(MissingExperts::cheaper) <= either * kAttained);
}

// What else comes over the link in every layer leaves less of it to experts.
TEST(HybridExperts, DividingCountsWhatIsStreamedBeside) {
  for (const char* model : {"Mixtral-8x7B", "DeepSeek-V2-Lite", "Qwen3-30B"}) {
    for (const double dense : {0.0, 0.5, 0.75, 0.9, 1.0}) {
      for (const std::int64_t batch : {1, 8}) {
        const auto with = [&](MissingExperts missing) {
          HybridDescription is = described(missing);
          is.dense_on_device = dense;
          return times(model, is, batch).decode;
        };
        EXPECT_LE(with(MissingExperts::balanced), 1.06 * with(MissingExperts::host)) << model << dense << " " << batch;
      }
    }
  }
}

// What the CPU computes and what is copied in for the device runs beside each other, so that dividing experts between
// two ways of like speed is faster than either.
TEST(HybridExperts, HostAndLinkWorkBesideEachOther) {
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
TEST(HybridExperts, OneTokensExpertsAreDivided) {
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
TEST(HybridExperts, ForesightHelpsABalancedDivision) {
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
TEST(HybridExperts, ExpertsPassThroughSlots) {
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
TEST(HybridExperts, SlotsRepeat) {
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
TEST(HybridExperts, ModulesWorkOnATokensPart) {
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
TEST(HybridExperts, SkippedChoicesAreNeitherFetchedNorComputed) {
  for (const MissingExperts missing : kAll) {
    HybridDescription all = described(missing);
    HybridDescription fewer = all;
    fewer.skipped = 0.25;
    EXPECT_LE(times("Mixtral-8x7B", fewer).decode, times("Mixtral-8x7B", all).decode) << to_text(missing);
    all.skipped = 1;
    EXPECT_LE(times("Mixtral-8x7B", all).decode, times("Mixtral-8x7B", fewer).decode) << to_text(missing);
  }
}

// One token of Mixtral on demand: 2 experts of 3 x 4096 x 14336 in bf16 in each of 32 layers.
TEST(HybridExperts, MissingExpertsMayComeInFewerBits) {
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
TEST(HybridExperts, EvictedExpertsGoBackWhereTheHostHasNoCopy) {
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
TEST(HybridExperts, TheHostComputesWhatIsForeseenAhead) {
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

}  // namespace
}  // namespace moesaic
