// What must fit, and the searches for what would.
#include "model/memory.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "model/precision.hpp"
#include "model/real.hpp"
#include "tests/model/replicas.hpp"

namespace moesaic {
namespace {

constexpr MemoryLoad kChat{.sequences = 16, .context = 4096, .prompt = 2048, .step_tokens = 8192};

// 46.7B parameters in two bytes; 671B in one byte with scales, the rest in two.
TEST(Memory, PublishedWeightSizes) {
  const auto weights = [](const char* model, const Mapping& mapping) {
    const ReplicaMemory memory = replica_memory(replica(preset(model), mapping), kChat);
    return memory.device.weights.value * mapping.devices() / 1e9;
  };
  EXPECT_NEAR(weights("Mixtral-8x7B", {}), 93.4, 0.05);
  EXPECT_NEAR(weights("Mixtral-8x7B", {8, 1, 1}), 93.4, 0.1);  // routers are held by all
  EXPECT_GT(weights("DeepSeek-V3", {}), 671);
  EXPECT_LT(weights("DeepSeek-V3", {}), 690);
  EXPECT_NEAR(weights("Llama-3.1-8B", {}), 16.06, 0.01);
}

TEST(Memory, OneDeviceHoldsAllWeights) {
  for_every_model([](const Architecture& architecture) {
    const ReplicaMemory memory = replica_memory(replica(architecture), kChat);
    EXPECT_NEAR(memory.device.weights / weight_bytes(architecture, architecture.precision), 1, 1e-12);
    EXPECT_EQ(memory.host.total().value, 0);
    EXPECT_EQ(memory.device.buffers.value, 0);
  });
}

TEST(Memory, DevicesTogetherHoldAtLeastAllWeights) {
  int mapped = 0;
  for_every_model([&](const Architecture& architecture) {
    const double whole = weight_bytes(architecture, architecture.precision).value;
    for (const int devices : {2, 4, 8, 16}) {
      for (int expert = 1; expert <= devices; expert *= 2) {
        for (int tensor = 1; tensor <= devices; tensor *= 2) {
          const Mapping mapping{tensor, devices / tensor, expert};
          try {
            const ReplicaMemory memory = replica_memory(replica(architecture, mapping), kChat);
            EXPECT_GE(memory.device.weights.value * devices, whole * (1 - 1e-12)) << to_text(mapping);
            ++mapped;
          } catch (const UserError&) {
            continue;  // cannot be mapped so
          }
        }
      }
    }
  });
  EXPECT_GT(mapped, 500);
}

// Llama-3.1-8B: 131,072 bytes a token; hidden 4096, vocabulary 128,256, feed-forward 3 x 14336.
TEST(Memory, ClassesOfADenseModel) {
  const StepPlan plan = replica(preset("Llama-3.1-8B"));
  MemoryLoad load = kChat;
  load.reserve_fraction = 0.1;
  const ReplicaMemory memory = replica_memory(plan, load);
  EXPECT_EQ(memory.device.kv.value, 16 * 4096 * 131'072.0);
  EXPECT_EQ(memory.kv_per_token.value, 131'072);
  EXPECT_EQ(memory.device.state.value, 0);
  EXPECT_EQ(memory.device.activations.value, 2 * (8192 * (4 * 4096.0 + 3 * 14336) + 2 * 16 * 128'256.0));
  EXPECT_EQ(memory.device.reserve.value, memory.device.capacity.value / 10);
  EXPECT_EQ(memory.device.total() + memory.device.free(), memory.device.capacity);
  load.prompt = 100;  // 16 prompts of 100 tokens are fewer than a step may take
  EXPECT_EQ(replica_memory(plan, load).device.activations.value,
            2 * (1600 * (4 * 4096.0 + 3 * 14336) + 2 * 16 * 128'256.0));
}

// One sequence's cache on one device is what model/architecture.hpp says, windows and index keys included.
TEST(Memory, CacheOfEveryModel) {
  for_every_model([](const Architecture& architecture) {
    for (const double context : {1., 100., 5'000., 100'000.}) {
      MemoryLoad load = kChat;
      load.sequences = 3;
      load.context = context;
      const MemoryFootprint device = replica_memory(replica(architecture), load).device;
      EXPECT_NEAR((device.kv + device.state) / (cache_bytes(architecture, architecture.precision, context) * 3), 1,
                  1e-12);
    }
  });
}

// KV heads are split, one head a device at least; the MLA latent and its index keys are on every device.
TEST(Memory, CacheUnderTensorParallelism) {
  const auto share = [](const char* model, int tensor) {
    const Architecture architecture = preset(model);
    const double one = replica_memory(replica(architecture), kChat).device.kv.value;
    return replica_memory(replica(architecture, {.tensor = tensor}), kChat).device.kv.value / one;
  };
  EXPECT_DOUBLE_EQ(share("Llama-3.1-8B", 4), 1.0 / 4);
  EXPECT_DOUBLE_EQ(share("Llama-3.1-8B", 32), 1.0 / 8);
  EXPECT_DOUBLE_EQ(share("DeepSeek-V3", 8), 1);
  EXPECT_DOUBLE_EQ(share("DeepSeek-V3.2", 8), 1);
  const auto state = [](int tensor) {
    return replica_memory(replica(preset("Qwen3-Next"), {.tensor = tensor}), kChat).device.state.value;
  };
  EXPECT_DOUBLE_EQ(state(8), state(1) / 8);
}

TEST(Memory, DataParallelGroupsHoldTheCeiling) {
  const StepPlan plan = replica(preset("Llama-3.1-8B"), {.tensor = 1, .data = 4});
  const auto cache = [&](double sequences) {
    MemoryLoad load = kChat;
    load.sequences = sequences;
    return replica_memory(plan, load).device.kv.value;
  };
  EXPECT_EQ(cache(1), cache(4));
  EXPECT_EQ(cache(5), cache(8));
  EXPECT_EQ(cache(8), 2 * cache(4));
}

TEST(Memory, StreamedSplitsHostAndDevice) {
  const Architecture mixtral = preset("Mixtral-8x7B");
  const StepPlan plan = replica(mixtral, {}, make_placement("streamed"), "xeon-8380-a40");
  const ReplicaMemory memory = replica_memory(plan, kChat);
  const Bytes tables{2.0 * 2 * 32'000 * 4096};
  EXPECT_EQ(memory.device.weights, tables);
  EXPECT_EQ(memory.host.weights + tables, weight_bytes(mixtral, mixtral.precision));
  EXPECT_EQ(memory.host.kv, cache_bytes(mixtral, mixtral.precision, kChat.context) * kChat.sequences);
  EXPECT_EQ(memory.device.kv.value, 0);
  EXPECT_EQ(memory.device.buffers, plan.layer_weights(0) * 2);
  EXPECT_EQ(memory.host.capacity, plan.machine().host->memory.capacity);
  EXPECT_TRUE(memory.fits());
  MemoryLoad large = kChat;
  large.sequences = 1e6;
  EXPECT_FALSE(replica_memory(plan, large).host.fits());
  EXPECT_FALSE(replica_memory(plan, large).fits());
}

struct Case {
  const char* model;
  Mapping mapping;
  PlacementPointer placement;
  const char* machine;
};

std::vector<Case> cases() {
  return {{"Llama-3.1-8B", {}, resident_placement(), "l40s"},
          {"Mixtral-8x7B", {2, 1, 1}, resident_placement(), "dgx-h100"},
          {"DeepSeek-V3", {1, 8, 8}, resident_placement(), "dgx-h200"},
          {"MiniMax-M1", {8, 1, 1}, resident_placement(), "dgx-h200"},
          {"gpt-oss-20b", {}, resident_placement(), "rtx-4090"},
          {"Mixtral-8x7B", {}, make_placement("streamed"), "xeon-8380-a40"},
          {"Qwen3-30B", {}, make_placement("two-unit"), "duplex-4"}};
}

TEST(LargestBatch, IsTight) {
  for (const Case& found : cases()) {
    const StepPlan plan = replica(preset(found.model), found.mapping, found.placement, found.machine);
    for (const double context : {300., 4096., 20'000.}) {
      for (const double prompt : {1., 200.}) {
        MemoryLoad load{.context = context, .prompt = prompt, .step_tokens = 8192, .reserve_fraction = 0.08};
        load.sequences = largest_batch(plan, load);
        SCOPED_TRACE(std::string(found.model) + " on " + found.machine + ": " + std::to_string(load.sequences));
        ASSERT_GT(load.sequences, 0);
        EXPECT_TRUE(replica_memory(plan, load).fits());
        load.sequences += 1;
        EXPECT_FALSE(replica_memory(plan, load).fits());
        const double largest = std::exchange(load.sequences, 1e9) - 1;  // sequences are not read
        EXPECT_EQ(largest_batch(plan, load), largest);
      }
    }
  }
}

TEST(LongestContext, IsTight) {
  for (const Case& found : cases()) {
    const StepPlan plan = replica(preset(found.model), found.mapping, found.placement, found.machine);
    for (const double sequences : {1., 7.}) {
      MemoryLoad load{.sequences = sequences, .prompt = 200, .step_tokens = 8192, .reserve_fraction = 0.08};
      load.context = longest_context(plan, load);
      SCOPED_TRACE(std::string(found.model) + " on " + found.machine + ": " + std::to_string(load.context));
      ASSERT_GT(load.context, 0);
      EXPECT_TRUE(replica_memory(plan, load).fits());
      load.context += 1;
      EXPECT_FALSE(replica_memory(plan, load).fits());
    }
  }
}

TEST(LargestBatch, IsZeroWhereWeightsDoNotFit) {
  const StepPlan plan = replica(preset("Llama-3.1-405B"), {}, resident_placement(), "h100-sxm");
  EXPECT_EQ(largest_batch(plan, kChat), 0);
  EXPECT_EQ(longest_context(plan, kChat), 0);
}

// The search never runs away where there is nothing that grows.
TEST(LargestBatch, EndsWithoutCache) {
  Architecture linear = preset("MiniMax-M1");
  for (LayerKind& kind : linear.kinds) {
    kind.attention = LightningAttention{.heads = 64, .head_dim = 128};
  }
  const StepPlan plan = replica(linear, {8, 1, 1});
  const double longest = longest_context(plan, kChat);
  EXPECT_GE(longest, 1e12);
  EXPECT_LT(longest, 1e13);
}

// More sequences, longer contexts, longer prompts and larger steps never take less of any class.
RC_GTEST_PROP(MemoryProperty, GrowsWithTheLoad, ()) {
  static const std::vector<StepPlan> plans = [] {
    std::vector<StepPlan> made;
    for (const Case& found : cases()) {
      made.push_back(replica(preset(found.model), found.mapping, found.placement, found.machine));
    }
    return made;
  }();
  const StepPlan& plan = plans[*rc::gen::inRange<std::size_t>(0, plans.size())];
  const auto count = [](int most) { return real(*rc::gen::inRange(1, most)); };
  const MemoryLoad small{
      .sequences = count(2000), .context = count(100'000), .prompt = count(10'000), .step_tokens = count(20'000)};
  MemoryLoad large = small;
  double MemoryLoad::*const grown =
      *rc::gen::element(&MemoryLoad::sequences, &MemoryLoad::context, &MemoryLoad::prompt, &MemoryLoad::step_tokens);
  large.*grown += count(5000);
  const ReplicaMemory before = replica_memory(plan, small), after = replica_memory(plan, large);
  for (Bytes MemoryFootprint::*part :
       {&MemoryFootprint::weights, &MemoryFootprint::kv, &MemoryFootprint::state, &MemoryFootprint::activations,
        &MemoryFootprint::buffers, &MemoryFootprint::reserve}) {
    RC_ASSERT((after.device.*part) >= (before.device.*part));
    RC_ASSERT((after.host.*part) >= (before.host.*part));
  }
  RC_ASSERT(before.fits() || !after.fits());
}

}  // namespace
}  // namespace moesaic
