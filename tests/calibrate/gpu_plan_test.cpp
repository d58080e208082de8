// The plan covers all families in the shapes of networks, fits the device and the time, and begins with what matters.
#include "calibrate/gpu_plan.hpp"

#include <gtest/gtest.h>

#include <set>

#include "calibrate/gpu_inputs.hpp"
#include "calibrate/gpu_works.hpp"
#include "calibrate/measure_gpu.hpp"
#include "tests/calibrate/gpu_test.hpp"

namespace moesaic {
namespace {

const ModelShapes& all_shapes() {
  static const ModelShapes shapes = model_shapes(shipped_models());
  return shapes;
}

cuda::DeviceProperties h100() {
  return {.name = "NVIDIA H100 80GB HBM3",
          .major = 9,
          .minor = 0,
          .multiprocessors = 132,
          .memory = {85e9},
          .l2 = {50.0 * 1024 * 1024},
          .core_clock = {1.98e9},
          .memory_clock = {2.619e9},
          .memory_bus_bits = 5120,
          .pci = ""};
}

cuda::DeviceProperties t4() {
  return {.name = "Tesla T4",
          .major = 7,
          .minor = 5,
          .multiprocessors = 40,
          .memory = {15e9},
          .l2 = {4.0 * 1024 * 1024},
          .core_clock = {1.59e9},
          .memory_clock = {5.001e9},
          .memory_bus_bits = 256,
          .pci = ""};
}

TEST(ModelShapes, AreThoseOfTheNetworks) {
  const Architecture llama = read_architecture(load_model_config("Llama-3.1-8B"));
  const ModelShapes shapes = model_shapes({&llama, 1});
  const auto has = [&](std::int64_t n, std::int64_t k) {
    return std::find(shapes.products.begin(), shapes.products.end(), ProductShape{n, k}) != shapes.products.end();
  };
  // 32 heads and 8 of keys and values, of 128; 14336 inside the feed-forward layer; on one device and on eight.
  EXPECT_TRUE(has(4096 + 2 * 1024, 4096));
  EXPECT_TRUE(has(512 + 2 * 128, 4096));
  EXPECT_TRUE(has(4096, 4096));
  EXPECT_TRUE(has(2 * 14336, 4096));
  EXPECT_TRUE(has(4096, 14336 / 8));
  EXPECT_TRUE(has(128256, 4096));
  EXPECT_EQ(shapes.hidden, std::vector<std::int64_t>{4096});
  EXPECT_EQ(shapes.heads.size(), 4U);
  EXPECT_TRUE(shapes.experts.empty());
  EXPECT_FALSE(all_shapes().experts.empty());
  EXPECT_FALSE(all_shapes().latent_heads.empty());
  EXPECT_FALSE(all_shapes().states.empty());
}

TEST(ModelShapes, AChoiceHasTheCommonAndTheExtremes) {
  const std::vector<int> all = {50, 40, 7, 90, 3, 60, 20};
  const std::vector<int> chosen = chosen_shapes(all, 4, [](int shape) { return shape; });
  EXPECT_EQ(chosen, (std::vector<int>{50, 40, 3, 90}));
  EXPECT_EQ(chosen_shapes(all, 9, [](int shape) { return shape; }), all);
}

TEST(GpuPlan, EssentialPointsComeFirstAndEveryFamilyEarly) {
  const std::vector<GpuPoint> plan = gpu_plan(h100(), all_shapes(), {.devices = 8});
  const auto first_other = std::find_if(plan.begin(), plan.end(), [](const GpuPoint& p) { return !p.essential; });
  EXPECT_GE(first_other - plan.begin(), 8);
  EXPECT_TRUE(std::none_of(first_other, plan.end(), [](const GpuPoint& p) { return p.essential; }));
  std::set<Family> families;
  for (const GpuPoint& point : std::span(plan).first(plan.size() / 4)) {
    if (const auto* kernel = std::get_if<GpuKernelPoint>(&point.what)) {
      families.insert(kernel->family);
    }
  }
  EXPECT_EQ(families.size(), 9U);
  EXPECT_GT(plan.size(), 1500U);
}

TEST(GpuPlan, EveryPointHasANameOfItsOwn) {
  for (const bool quick : {false, true}) {
    std::set<std::string> names;
    for (const GpuPoint& point : gpu_plan(h100(), all_shapes(), {.devices = 8, .quick = quick})) {
      EXPECT_TRUE(names.insert(describe(point)).second) << describe(point);
    }
  }
}

TEST(GpuPlan, FitsTheTime) {
  for (const cuda::DeviceProperties& device : {h100(), t4()}) {
    Seconds total{};
    for (const GpuPoint& point : gpu_plan(device, all_shapes(), {.devices = 8})) {
      const Seconds one = expected_time(device, point);
      EXPECT_LT(one.value, 2) << describe(point);
      total += one;
    }
    EXPECT_LT(total.value, 15 * 60) << device.name;
  }
}

TEST(GpuPlan, FitsTheDevice) {
  const std::vector<GpuPoint> plan = gpu_plan(t4(), all_shapes(), {});
  for (const GpuPoint& point : plan) {
    if (const auto* kernel = std::get_if<GpuKernelPoint>(&point.what)) {
      EXPECT_NE(kernel->dtype, "fp8");
      EXPECT_NE(kernel->dtype, "bf16");
      EXPECT_NE(kernel->family, Family::collective);
      if (kernel->family == Family::moe) {
        EXPECT_LT(2 * 3 * kernel->shape[0] * kernel->shape[1] * kernel->shape[3] / kernel->shape[5], 15e9 / 4);
      }
    }
  }
}

TEST(GpuPlan, TheUsersRoutingIsMeasuredWhereItFits) {
  const auto routed = [&](const std::string& routing) {
    const std::vector<GpuPoint> plan = gpu_plan(h100(), small_shapes(), {.routing = routing});
    return std::count_if(plan.begin(), plan.end(), [&](const GpuPoint& point) {
      const auto* kernel = std::get_if<GpuKernelPoint>(&point.what);
      return kernel != nullptr && kernel->kernel == "own-grouped/" + routing;
    });
  };
  EXPECT_GT(routed("zipf:1.5"), 0);
  EXPECT_THROW(routed("nothing.json"), UserError);
  EXPECT_THROW(routed("zipf:-3"), UserError);
}

TEST(GpuPlan, AWholeRunOnAStubTakesLessThanAQuarterOfAnHour) {
  // The stub's kernels are as fast as its roofs: an eighth of what is allowed leaves room for ours.
  cuda::StubRuntime stub;
  stub.device = h100();
  stub.roofs.memory = nominal_bandwidth(stub.device);
  GpuMeasureOptions options = stub_options(stub);
  options.shapes = all_shapes();
  const GpuCalibration result = measure_gpu(stub, options);
  EXPECT_TRUE(result.warnings.empty()) << result.warnings.front();
  EXPECT_EQ(result.done, result.total);
  EXPECT_LT(stub.now().value, 15 * 60 / 8.0);
  EXPECT_EQ(stub.alive(), 0U);
}

TEST(GpuInputs, ChoicesAreDistinctAndAsLoadedAsTheyShouldBe) {
  RandomNumbers random(1);
  const auto check = [](const std::vector<std::int32_t>& chosen, int tokens, int experts, int top_k) {
    ASSERT_EQ(chosen.size(), static_cast<std::size_t>(tokens * top_k));
    for (int t = 0; t < tokens; ++t) {
      const auto begin = chosen.begin() + std::ptrdiff_t{t} * top_k;
      const std::set<std::int32_t> own(begin, begin + top_k);
      EXPECT_EQ(own.size(), static_cast<std::size_t>(top_k));
      EXPECT_GE(*own.begin(), 0);
      EXPECT_LT(*own.rbegin(), experts);
    }
  };
  check(even_choices(5, 9, 4, 7), 5, 9, 4);
  const std::vector<std::int32_t> even = even_choices(64, 128, 8, 0);
  check(even, 64, 128, 8);
  for (int expert = 0; expert < 128; ++expert) {
    EXPECT_EQ(std::count(even.begin(), even.end(), expert), 4);
  }
  // Zipf of exponent 1 among 4 experts: the first is drawn as often as 12 of 25.
  const std::vector<double> popularity = {12, 6, 4, 3};
  const std::vector<std::int32_t> drawn = drawn_choices(100000, 1, popularity, random);
  check(drawn, 100000, 4, 1);
  const auto share = static_cast<double>(std::count(drawn.begin(), drawn.end(), 0)) / 100000;
  EXPECT_NEAR(share, 12 / 25.0, 4 * std::sqrt(0.48 * 0.52 / 100000));
  check(drawn_choices(50, 8, skewed_popularity(50, 64, 8, 1.2, random), random), 50, 64, 8);
}

TEST(GpuInputs, ACacheHoldsOnlyThePagesOfTheWindow) {
  cuda::StubRuntime stub;
  stub.device.l2 = {96e6};  // so large that 92 calls take turns
  stub.device.memory = {48e9};
  stub.most_allocated = 1e9;
  const cuda::Owned stream = cuda::create_stream(stub);
  const RandomBlock random(stub, stream.get(), {1e6}, 1);
  const GpuBench bench{stub, stream.get(), stub.device, random};
  const PreparedWorks works =
      prepare(bench, GpuKernelPoint{Family::attention_decode, "bf16", "bf16", "own-paged", {64, 8, 64, 8, 32768, 128}});
  EXPECT_EQ(works.chains.size(), 92U);
  EXPECT_EQ(std::get<cuda::DecodeAttentionWork>(works.chains[0][0]).pages_per_sequence, 2048);
}

TEST(GpuInputs, ACycleVisitsEveryPlaceOnce) {
  RandomNumbers random(2);
  constexpr std::uint32_t kStride = 32, kPlaces = 100;
  const std::vector<std::uint32_t> next = random_cycle(kStride * kPlaces, kStride, random);
  std::set<std::uint32_t> visited;
  std::uint32_t at = 0;
  for (std::uint32_t i = 0; i < kPlaces; ++i) {
    EXPECT_EQ(at % kStride, 0U);
    visited.insert(at);
    at = next[at];
  }
  EXPECT_EQ(at, 0U);
  EXPECT_EQ(visited.size(), kPlaces);
}

}  // namespace
}  // namespace moesaic
