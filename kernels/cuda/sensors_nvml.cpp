// NVML comes with the driver, and its header not always with the toolkit: the five functions are declared here.
#include "kernels/cuda/cuda_libraries.hpp"

namespace moesaic::cuda {
namespace {

using Device = void*;
constexpr unsigned kMultiprocessorClock = 1, kGpuTemperature = 0;

}  // namespace

struct SensorLibrary::State {
  SharedLibrary library{"libnvidia-ml.so.1"};
  int (*init)() = nullptr;
  int (*handle_of)(const char* pci, Device* device) = nullptr;
  int (*clock)(Device device, unsigned type, unsigned* megahertz) = nullptr;
  int (*temperature)(Device device, unsigned sensor, unsigned* celsius) = nullptr;
  int (*power)(Device device, unsigned* milliwatts) = nullptr;
  bool ready = library.find("nvmlInit_v2", init) && library.find("nvmlDeviceGetHandleByPciBusId_v2", handle_of) &&
               library.find("nvmlDeviceGetClockInfo", clock) && library.find("nvmlDeviceGetTemperature", temperature) &&
               library.find("nvmlDeviceGetPowerUsage", power) && init() == 0;
};

SensorLibrary::SensorLibrary() = default;
SensorLibrary::~SensorLibrary() = default;

Sensors SensorLibrary::read(const std::string& pci) {
  if (!state_) {
    state_ = std::make_unique<State>();
  }
  Device device = nullptr;
  unsigned megahertz = 0, celsius = 0, milliwatts = 0;
  if (!state_->ready || state_->handle_of(pci.c_str(), &device) != 0 ||
      state_->clock(device, kMultiprocessorClock, &megahertz) != 0 ||
      state_->temperature(device, kGpuTemperature, &celsius) != 0 || state_->power(device, &milliwatts) != 0) {
    return {};
  }
  return {true, {1e6 * megahertz}, static_cast<double>(celsius), {1e-3 * milliwatts}};
}

}  // namespace moesaic::cuda
