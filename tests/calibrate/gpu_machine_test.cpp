// Measured facts become a machine that reads back with the same figures, and on which predictions run.
#include "calibrate/gpu_machine.hpp"

#include <gtest/gtest.h>

#include <fstream>

#include "base/error.hpp"
#include "calibrate/cost_model.hpp"
#include "tests/calibrate/gpu_test.hpp"
#include "tests/temporary_file.hpp"

namespace moesaic {
namespace {

GpuCalibration measured(cuda::StubRuntime& stub) { return measure_gpu(stub, stub_options(stub)); }

Machine read_back(const std::string& json) {
  const std::string file = temporary_file("gpu-machine.json");
  std::ofstream(file) << json;
  return read_machine(load_machine_config(file));
}

TEST(GpuMachine, ReadsBackWithMeasuredFigures) {
  cuda::StubRuntime stub;
  const GpuCalibration result = measured(stub);
  const Machine machine = read_back(gpu_machine_json(result.facts));
  EXPECT_EQ(machine.name, "stub-9000");
  EXPECT_EQ(machine.devices, 1);
  const Unit& unit = machine.device.units[0];
  EXPECT_EQ(unit.name, "gpu");
  EXPECT_NEAR(unit.peak[static_cast<std::size_t>(DType::bf16)] / stub.roofs.tensor, 1, 0.02);
  EXPECT_NEAR(unit.peak[static_cast<std::size_t>(DType::fp32)] / stub.roofs.fp32, 1, 0.02);
  EXPECT_NEAR(unit.launch_latency / stub.roofs.kernel_latency, 1, 0.02);
  EXPECT_EQ(unit.multiprocessors, 100);
  EXPECT_DOUBLE_EQ(unit.compute_capability, 9.0);
  EXPECT_NEAR(machine.device.memory.bandwidth / stub.roofs.memory, 1, 0.02);
  EXPECT_NEAR(machine.device.memory.capacity.value, 64e9, 1e8);
  ASSERT_TRUE(machine.device.host_link);
  EXPECT_NEAR(machine.device.host_link->bandwidth / stub.roofs.host_link, 1, 0.02);
  EXPECT_FALSE(machine.device.scale_up);
}

TEST(GpuMachine, ADeviceOfTheCatalogKeepsItsDatasheet) {
  cuda::StubRuntime stub;
  stub.device.name = "NVIDIA H100 80GB HBM3";
  const Machine machine = read_back(gpu_machine_json(measured(stub).facts));
  EXPECT_EQ(machine.name, "h100-sxm");
  EXPECT_NEAR(machine.device.units[0].peak[static_cast<std::size_t>(DType::bf16)].value, 989.4e12, 1e12);
  EXPECT_NEAR(machine.device.memory.bandwidth.value, 3.35e12, 1e10);
  // 25 of 63 GB/s: this slot is narrower than the datasheet's.
  EXPECT_NEAR(machine.device.host_link->bandwidth / stub.roofs.host_link, 1, 0.02);
}

TEST(GpuMachine, SeveralGpusAreANode) {
  cuda::StubRuntime stub;
  stub.devices = 4;
  const GpuCalibration result = measured(stub);
  const std::optional<Profile> profile = fit_gpu_profile(result.facts, result.measurements, "2026-11-28");
  ASSERT_TRUE(profile);
  EXPECT_NE(profile->find(Family::collective, "bf16", "", "all_reduce"), nullptr);
  const Machine machine = read_back(gpu_machine_json(result.facts, &*profile));
  EXPECT_EQ(machine.name, "stub-9000-4");
  EXPECT_EQ(machine.devices, 4);
  ASSERT_TRUE(machine.device.scale_up);
  EXPECT_NEAR(machine.device.scale_up->bandwidth / stub.roofs.peer_link, 1, 0.02);
  EXPECT_EQ(load_cost_model("measured", machine)->name(), "moesaic-cuda as measured on stub-9000");
}

TEST(GpuMachine, GpusWithoutTheirSwitchAreConnectedAsMeasured) {
  cuda::StubRuntime stub;
  stub.device.name = "NVIDIA H100 80GB HBM3";
  stub.devices = 2;
  const auto bandwidth = [&](BytesPerSecond link) {
    stub.roofs.peer_link = link;
    return read_back(gpu_machine_json(measured(stub).facts)).device.scale_up->bandwidth.value;
  };
  EXPECT_NEAR(bandwidth({380e9}), 450e9, 1e9);
  EXPECT_NEAR(bandwidth({50e9}), 50e9, 1e9);
}

TEST(GpuMachine, EveryFigureSaysHowItIsKnown) {
  cuda::StubRuntime stub;
  const Config json = Config::parse(gpu_machine_json(measured(stub).facts), "gpu");
  const Config sources = json.at("sources");
  for (const char* key : {"units.gpu.peak", "units.gpu.launch_latency", "units.gpu.multiprocessors", "memory.capacity",
                          "memory.bandwidth", "memory.cache", "host_link.bandwidth", "host_link.latency"}) {
    EXPECT_FALSE(sources.at(key).string().empty()) << key;
  }
  EXPECT_NE(sources.at("memory").string().find("L2 read"), std::string::npos);
  EXPECT_NE(sources.at("host_link").string().find("the product takes 1.00 times as long"), std::string::npos);
}

TEST(GpuMachine, WithoutTheEssentialFiguresThereIsNone) {
  cuda::StubRuntime stub;
  const GpuFacts all = measured(stub).facts;
  for (int missing = 0; missing < 3; ++missing) {
    GpuFacts facts = all;
    if (missing == 0) {
      facts.bandwidth.clear();
    } else if (missing == 1) {
      facts.peaks.clear();
    } else {
      facts.replay = {};
    }
    EXPECT_THROW(gpu_machine_json(facts), UserError) << missing;
  }
}

TEST(GpuMachine, TheProfileSaysWhatTheStubTakes) {
  cuda::StubRuntime stub;
  const GpuCalibration result = measured(stub);
  const std::optional<Profile> profile = fit_gpu_profile(result.facts, result.measurements, "2026-11-28");
  ASSERT_TRUE(profile);
  EXPECT_EQ(profile->name(), "stub-9000--moesaic-cuda");
  for (const KernelSurface& surface : profile->surfaces) {
    EXPECT_EQ(surface.kernel.find("own-grouped/"), std::string::npos) << "routings by chance are not fitted";
    if (surface.family == Family::gemm && surface.dtype == "bf16") {
      EXPECT_LT(surface.median_error, 0.05);
    }
  }
}

TEST(GpuMachine, TheSummaryHasEveryFigure) {
  cuda::StubRuntime stub;
  stub.devices = 2;
  const std::string text = gpu_facts_text(measured(stub).facts);
  for (const char* part :
       {"NVIDIA Stub 9000", "capability 9.0", "launch", "bf16", "read of", "one dependent load",
        "pinned host to device", "from GPU to GPU", "beside a product", "lightning attention", "55 degrees"}) {
    EXPECT_NE(text.find(part), std::string::npos) << part << "\n" << text;
  }
}

}  // namespace
}  // namespace moesaic
