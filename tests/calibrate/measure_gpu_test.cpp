// A GPU that is not there is measured: what comes out is what the stub was given, and whatever fails is told and leaves
// nothing behind.
#include "calibrate/measure_gpu.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <set>

#include "calibrate/gpu_machine.hpp"
#include "calibrate/read_measurements.hpp"
#include "tests/address_sanitizer.hpp"
#include "tests/calibrate/gpu_test.hpp"
#include "tests/temporary_file.hpp"
#include "tests/user_error.hpp"

namespace moesaic {
namespace {

const MeasuredPeak* peak_of(const GpuFacts& facts, DType dtype) {
  for (const MeasuredPeak& peak : facts.peaks) {
    if (peak.dtype == dtype) {
      return &peak;
    }
  }
  return nullptr;
}

bool mentions(const std::vector<std::string>& warnings, const std::string& text) {
  return std::any_of(warnings.begin(), warnings.end(),
                     [&](const std::string& warning) { return warning.find(text) != std::string::npos; });
}

TEST(MeasureGpu, FindsTheRoofsOfTheStub) {
  cuda::StubRuntime stub;
  const GpuCalibration result = measure_gpu(stub, stub_options(stub));
  const GpuFacts& facts = result.facts;
  EXPECT_TRUE(result.warnings.empty()) << result.warnings.front();
  EXPECT_EQ(result.done, result.total);
  ASSERT_NE(facts.memory_bandwidth(), nullptr);
  EXPECT_NEAR(facts.memory_bandwidth()->rate / stub.roofs.memory, 1, 0.02);
  for (const auto& [dtype, rate] : {std::pair{DType::bf16, stub.roofs.tensor},
                                    {DType::fp16, stub.roofs.tensor},
                                    {DType::fp8, stub.roofs.tensor_8bit},
                                    {DType::int8, stub.roofs.tensor_8bit},
                                    {DType::fp32, stub.roofs.fp32}}) {
    ASSERT_NE(peak_of(facts, dtype), nullptr) << name(dtype);
    EXPECT_NEAR(peak_of(facts, dtype)->rate / rate, 1, 0.02) << name(dtype);
  }
  EXPECT_NEAR(facts.replay / stub.roofs.kernel_latency, 1, 0.02);
  EXPECT_NEAR(facts.launch / stub.roofs.host_call, 1, 0.1);  // the host is slower than the empty kernel
  ASSERT_EQ(facts.latency.size(), 2U);
  EXPECT_NEAR(facts.latency[1].load / stub.roofs.load, 1, 0.02);
  for (const CopyDirection direction : {CopyDirection::to_device, CopyDirection::to_host}) {
    ASSERT_NE(facts.largest_copy(direction), nullptr);
    EXPECT_NEAR(facts.largest_copy(direction)->rate / stub.roofs.host_link, 1, 0.02);
    EXPECT_NEAR(facts.smallest_copy(direction)->timing.median / stub.roofs.copy_latency, 1, 0.1);
  }
  // The stub's streams do not share anything.
  ASSERT_EQ(facts.overlaps.size(), 2U);
  for (const GpuOverlap& overlap : facts.overlaps) {
    EXPECT_NEAR(overlap.product, 1, 0.02);
    EXPECT_NEAR(overlap.copy, 1, 0.02);
  }
  EXPECT_EQ(facts.devices, 1);
  EXPECT_EQ(facts.device, "stub-9000");
  EXPECT_FALSE(facts.datasheet);
  EXPECT_EQ(facts.hottest, 55);
  EXPECT_EQ(stub.alive(), 0U);
}

TEST(MeasureGpu, RowsAreInTheCommonFormAndSayWhatTheStubTook) {
  cuda::StubRuntime stub;
  const GpuCalibration result = measure_gpu(stub, stub_options(stub));
  std::set<Family> families;
  for (const Measurement& row : result.measurements.rows) {
    const MeasurementKey& key = result.measurements.key_of(row);
    families.insert(key.family);
    EXPECT_EQ(key.device, "stub-9000");
    EXPECT_EQ(key.stack, kGpuStack);
    EXPECT_FALSE(key.kernel.empty());
    EXPECT_GT(row.latency.value, stub.roofs.kernel_latency.value * 0.99);
    if (key.family == Family::gemm && key.kernel == "cublaslt" && key.dtype == "bf16") {
      const cuda::GemmWork work{.dtype = DType::bf16,
                                .m = static_cast<int>(row.shape[2]),
                                .n = static_cast<int>(row.shape[0]),
                                .k = static_cast<int>(row.shape[1])};
      EXPECT_NEAR(row.latency / stub.time_of(work), 1, 0.02) << shape_text(row, key.family);
    }
  }
  EXPECT_EQ(families,
            (std::set<Family>{Family::gemm, Family::attention_prefill, Family::attention_decode, Family::mla_decode,
                              Family::mla_bmm, Family::moe, Family::quantize, Family::elementwise}));
  // What is written reads back.
  const std::string file = temporary_file("stub-gpu.csv");
  std::ofstream(file) << measurements_csv(result.measurements);
  EXPECT_EQ(read_measurements({file}).measurements.rows.size(), result.measurements.rows.size());
}

TEST(MeasureGpu, TheSameAgain) {
  const auto once = [] {
    cuda::StubRuntime stub;
    const GpuCalibration result = measure_gpu(stub, stub_options(stub));
    return measurements_csv(result.measurements) + gpu_machine_json(result.facts) + gpu_facts_text(result.facts);
  };
  EXPECT_EQ(once(), once());
}

TEST(MeasureGpu, SeveralGpusAreMeasuredAsPeersAndInCollectives) {
  cuda::StubRuntime stub;
  stub.devices = 4;
  const GpuCalibration result = measure_gpu(stub, stub_options(stub));
  EXPECT_EQ(result.facts.nccl, "2.28.9");
  ASSERT_FALSE(result.facts.peer_copies.empty());
  EXPECT_NEAR(result.facts.peer_copies.back().rate / stub.roofs.peer_link, 1, 0.02);
  std::set<std::pair<std::string, double>> measured;
  for (const Measurement& row : result.measurements.rows) {
    if (const MeasurementKey& key = result.measurements.key_of(row); key.family == Family::collective) {
      measured.emplace(key.kernel, row.shape[1]);
      const Seconds alone = stub.roofs.copy_latency + Bytes{row.shape[0]} / stub.roofs.peer_link;
      EXPECT_NEAR(row.latency / alone, 1, 0.05) << "not what launching " << row.shape[1] << " ranks costs the host";
    }
  }
  EXPECT_EQ(measured.size(), 5U * 2) << "five operations on 2 and on 4 GPUs";
  EXPECT_EQ(stub.calls_of["create_communicator"], 2U);
  EXPECT_EQ(stub.alive(), 0U);

  stub.has_nccl = false;
  EXPECT_TRUE(mentions(measure_gpu(stub, stub_options(stub, {1})).warnings, "NCCL is not here"));
}

TEST(MeasureGpu, GpusThatCannotBeConnectedAreNotTriedAgain) {
  cuda::StubRuntime stub;
  stub.devices = 4;
  stub.fail = [](std::uint64_t, const char* name) {
    return std::string_view(name) == "create_communicator" ? cuda::Status{1, "no shared memory"} : cuda::Status{};
  };
  const GpuCalibration result = measure_gpu(stub, stub_options(stub));
  EXPECT_EQ(stub.calls_of["create_communicator"], 2U) << "2 and 4 GPUs";
  EXPECT_TRUE(mentions(result.warnings, "no shared memory"));
  EXPECT_TRUE(result.lost.empty());
}

TEST(MeasureGpu, TheCatalogHasTheGpusAsTheirDriverNamesThem) {
  for (const auto& [name, entry] : {std::pair{"NVIDIA A100-SXM4-80GB", "a100-80gb-sxm"},
                                    {"NVIDIA A100-SXM4-40GB", "a100-40gb-sxm"},
                                    {"NVIDIA A100 80GB PCIe", "a100-80gb-pcie"},
                                    {"NVIDIA H100 80GB HBM3", "h100-sxm"},
                                    {"NVIDIA H100 PCIe", "h100-pcie"},
                                    {"NVIDIA H100 NVL", "h100-nvl"},
                                    {"NVIDIA H200", "h200"},
                                    {"NVIDIA GH200 480GB", "gh200"},
                                    {"NVIDIA B200", "b200"},
                                    {"NVIDIA GB200", "gb200"},
                                    {"NVIDIA B300 SXM6 AC", "b300"},
                                    {"NVIDIA L4", "l4"},
                                    {"NVIDIA L40S", "l40s"},
                                    {"NVIDIA A10", "a10"},
                                    {"NVIDIA A40", "a40"},
                                    {"NVIDIA RTX PRO 6000 Blackwell Server Edition", "rtx-pro-6000"},
                                    {"NVIDIA GeForce RTX 4090", "rtx-4090"},
                                    {"NVIDIA GeForce RTX 5090", "rtx-5090"}}) {
    cuda::StubRuntime stub;
    stub.device.name = name;
    GpuMeasureOptions options = stub_options(stub, {1});
    const std::atomic<bool> stop{true};
    options.stop = &stop;
    const GpuFacts facts = measure_gpu(stub, options).facts;
    EXPECT_EQ(facts.device, entry);
    EXPECT_TRUE(facts.datasheet.has_value()) << name;
  }
}

TEST(MeasureGpu, BandwidthIsThatOfTheLargestFootprint) {
  GpuFacts facts;
  facts.bandwidth = {{.stream = "read", .level = "memory", .footprint = {2e9}, .rate = {3e12}, .timing = {}},
                     {.stream = "read", .level = "memory", .footprint = {4e8}, .rate = {4e12}, .timing = {}},
                     {.stream = "write", .level = "memory", .footprint = {4e9}, .rate = {2e12}, .timing = {}}};
  ASSERT_NE(facts.memory_bandwidth(), nullptr);
  EXPECT_EQ(facts.memory_bandwidth()->rate.value, 3e12);
}

TEST(MeasureGpu, AnOlderGpuIsNotAskedForWhatItCannotDo) {
  cuda::StubRuntime stub;
  stub.device.major = 7;
  stub.device.minor = 5;
  const GpuCalibration result = measure_gpu(stub, stub_options(stub, {1}));
  EXPECT_EQ(peak_of(result.facts, DType::fp8), nullptr);
  EXPECT_EQ(peak_of(result.facts, DType::bf16), nullptr);
  EXPECT_NE(peak_of(result.facts, DType::fp16), nullptr);
}

TEST(MeasureGpu, WithoutTimeTheEssentialPointsAreMeasured) {
  cuda::StubRuntime stub;
  const GpuCalibration result = measure_gpu(stub, stub_options(stub, {1e-9}));
  EXPECT_LT(result.done, result.total);
  EXPECT_TRUE(mentions(result.warnings, "the time was over before"));
  EXPECT_NO_THROW(gpu_machine_json(result.facts));
}

TEST(MeasureGpu, AFlagStopsItAndKeepsWhatIsDone) {
  cuda::StubRuntime stub;
  std::atomic<bool> stop = false;
  GpuMeasureOptions options = stub_options(stub);
  options.stop = &stop;
  options.progress = [&](const MeasureProgress& progress) { stop = progress.done == 30; };
  const GpuCalibration result = measure_gpu(stub, options);
  EXPECT_TRUE(result.stopped);
  EXPECT_EQ(result.done, 30U);
  EXPECT_NO_THROW(gpu_machine_json(result.facts));
  EXPECT_EQ(stub.alive(), 0U);
}

TEST(MeasureGpu, WhatDoesNotFitIsLeftOutWithAWarning) {
  // 1 GB free of 64: another program has the rest.
  cuda::StubRuntime stub;
  stub.most_allocated = 1e9;
  const GpuCalibration result = measure_gpu(stub, stub_options(stub));
  EXPECT_TRUE(result.lost.empty());
  EXPECT_LT(result.done, result.total);
  EXPECT_GT(result.done, result.total / 2);
  EXPECT_TRUE(mentions(result.warnings, "out of memory"));
  EXPECT_LT(result.warnings.size(), 5U) << "equal troubles are one warning";
  EXPECT_EQ(stub.alive(), 0U);
}

TEST(MeasureGpu, AKernelThatIsRefusedIsOneWarningWhateverTheShape) {
  cuda::StubRuntime stub;
  stub.refuse = [](const cuda::Work& work) {
    return std::holds_alternative<cuda::PrefillAttentionWork>(work) ? cuda::Status{801, "no such kernel"}
                                                                    : cuda::Status{};
  };
  const GpuCalibration result = measure_gpu(stub, stub_options(stub));
  ASSERT_EQ(result.warnings.size(), 1U);
  EXPECT_NE(result.warnings[0].find("prefill"), std::string::npos) << result.warnings[0];
  EXPECT_NE(result.warnings[0].find("no such kernel (CUDA error 801); the same at 1"), std::string::npos)
      << result.warnings[0];
  EXPECT_TRUE(std::none_of(result.measurements.keys.begin(), result.measurements.keys.end(),
                           [](const MeasurementKey& key) { return key.family == Family::attention_prefill; }));
}

TEST(MeasureGpu, ALostGpuEndsItAndKeepsWhatIsDone) {
  cuda::StubRuntime stub;
  stub.fail = [](std::uint64_t number, const char*) {
    return number == 60000 ? cuda::Status{719, "unspecified launch failure"} : cuda::Status{};
  };
  const GpuCalibration result = measure_gpu(stub, stub_options(stub));
  EXPECT_NE(result.lost.find("unspecified launch failure"), std::string::npos) << result.lost;
  EXPECT_GT(result.done, 0U);
  EXPECT_LT(result.done, result.total);
  EXPECT_FALSE(result.measurements.rows.empty());
  EXPECT_EQ(stub.alive(), 0U);
}

TEST(MeasureGpu, WithoutAGpuThereIsNothingToMeasure) {
  cuda::StubRuntime stub;
  stub.devices = 0;
  EXPECT_THROW(measure_gpu(stub, stub_options(stub)), UserError);
  stub.devices = 1;
  stub.fail = [](std::uint64_t, const char* name) {
    return std::string(name) == "device_count" ? cuda::Status{35, "driver too old"} : cuda::Status{};
  };
  const std::string message = user_error([&] { measure_gpu(stub, stub_options(stub)); });
  EXPECT_EQ(message, "--device cuda: looking for GPUs: driver too old (CUDA error 35)");
}

TEST(MeasureGpu, ATimeThatIsNoneIsNoMeasurement) {
  for (const double seconds : {0., -1., std::numeric_limits<double>::quiet_NaN()}) {
    cuda::StubRuntime stub;
    stub.event_time = [&](Seconds) { return Seconds{seconds}; };
    const GpuCalibration result = measure_gpu(stub, stub_options(stub, {1}));
    EXPECT_TRUE(result.measurements.rows.empty()) << seconds;
    EXPECT_EQ(result.done, 0U) << seconds;
    EXPECT_FALSE(result.warnings.empty());
    EXPECT_THROW(gpu_machine_json(result.facts), UserError);
  }
}

TEST(MeasureGpu, FasterThanTheDatasheetIsDoubted) {
  cuda::StubRuntime stub;
  stub.device.name = "NVIDIA H100 80GB HBM3";
  const GpuCalibration honest = measure_gpu(stub, stub_options(stub));
  EXPECT_EQ(honest.facts.device, "h100-sxm");
  ASSERT_TRUE(honest.facts.datasheet);
  EXPECT_FALSE(mentions(honest.warnings, "faster than"));
  stub.roofs.tensor = {2000e12};
  EXPECT_TRUE(mentions(measure_gpu(stub, stub_options(stub)).warnings, "faster than the datasheet"));
}

/// The first call of every function at every point, whose names are told as they begin.
std::vector<std::uint64_t> different_calls(const std::function<void(cuda::StubRuntime&, std::string& point)>& measure) {
  cuda::StubRuntime stub;
  std::string point = "finding the device";
  std::set<std::string> seen;
  std::vector<std::uint64_t> numbers;
  stub.fail = [&](std::uint64_t number, const char* name) {
    if (seen.insert(point + ": " + name).second) {
      numbers.push_back(number);
    }
    return cuda::Status{};
  };
  measure(stub, point);
  return numbers;
}

// Every function of the runtime fails once at every point, in each of the ways in which calls fail.
class EveryCallFails : public testing::TestWithParam<int> {};

TEST_P(EveryCallFails, AndTheRestIsKept) {
  const auto quick = [](cuda::StubRuntime& stub, std::string& point) {
    stub.devices = 2;
    stub.device.l2 = {1e6};  // little data to make up
    GpuMeasureOptions options = stub_options(stub, {1});
    options.progress = [&](const MeasureProgress& progress) { point = progress.what; };
    return measure_gpu(stub, options);
  };
  std::string point;
  cuda::StubRuntime whole;
  const GpuCalibration all = quick(whole, point);
  ASSERT_TRUE(all.lost.empty());
  const std::vector<std::uint64_t> failures = different_calls(quick);
  ASSERT_GT(failures.size(), 300U);
  const int code = GetParam();
  const bool lasting = cuda::failure_of(code) == cuda::Failure::device_lost;
  // What one code finds in all of them, the others find in every third; checked builds are slower.
#ifdef MOESAIC_ADDRESS_SANITIZER
  constexpr std::size_t kSlower = 5;
#else
  constexpr std::size_t kSlower = 1;
#endif
  const std::size_t step = (code == 701 ? 1 : 3) * kSlower;
  std::size_t told = 0;
  for (std::size_t i = 0; i < failures.size(); i += step) {
    const std::uint64_t failing = failures[i];
    cuda::StubRuntime stub;
    std::string failed;
    stub.fail = [&](std::uint64_t number, const char* name) {
      if (number != failing) {
        return cuda::Status{};
      }
      failed = name;
      return cuda::Status{code, "made to fail"};
    };
    try {
      const GpuCalibration result = quick(stub, point);
      ASSERT_FALSE(failed.empty());
      const bool released = failed.starts_with("free") || failed.starts_with("destroy");
      const bool optional = failed == "nccl" || failed == "enable_peer" || failed == "set_device" || released;
      const bool warned = mentions(result.warnings, "made to fail");
      const bool ended = result.lost.find("made to fail") != std::string::npos;
      EXPECT_TRUE(warned || ended || optional || failed == "synchronize") << failing << " " << failed;
      told += warned || ended ? 1 : 0;
      EXPECT_LE(result.measurements.rows.size(), all.measurements.rows.size());
      if (!ended && !lasting) {
        EXPECT_GE(result.done + 2, all.done) << failing << " " << failed << ": only its own point is lost";
      }
    } catch (const UserError& error) {
      EXPECT_NE(std::string(error.what()).find("made to fail"), std::string::npos) << error.what();
      EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos);
      EXPECT_LT(failing, 10U) << failed;
    }
    EXPECT_EQ(stub.alive(), 0U) << failing << " " << failed;
    if (HasFailure()) {
      return;
    }
  }
  EXPECT_GT(told, failures.size() / step / 2);
}

INSTANTIATE_TEST_SUITE_P(Codes, EveryCallFails, testing::Values(2, 100, 701, 719, 801));

}  // namespace
}  // namespace moesaic
