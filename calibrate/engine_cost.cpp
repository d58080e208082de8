#include "calibrate/engine_cost.hpp"

#include <algorithm>

#include "base/catalog.hpp"
#include "base/error.hpp"
#include "calibrate/engine_kernels.hpp"

namespace moesaic {
namespace {

/// Of the device's bandwidth, what element-wise kernels stream at where its file does not say: norms of the default
/// profile.
constexpr double kStreamed = 0.7;

class EngineCostModel final : public CostModel {
 public:
  EngineCostModel(CostModelPointer base, Software software, const std::string& device)
      : base_(std::move(base)),
        name_(software.name),
        kernels_(software.kernels.value_or(EngineKernels{})),
        terms_(software.on(device)),
        memory_reserve_(software.memory_reserve) {}

  Estimate cost(const Task& task, const MachineView& view) const override {
    Estimate estimate = base_->cost(task, view);
    if (task.communication) {
      const bool waited_for = task.queue == Queue::to_device || task.queue == Queue::to_host ||
                              (task.queue == Queue::device && std::holds_alternative<Transfer>(task.op.shape));
      estimate.latency += waited_for ? kernels_.handover : Seconds{};
      return estimate;
    }
    const bool on_host = view.units[task.unit].on_host;
    estimate.latency = std::max(estimate.latency, (on_host ? kernels_.host : kernels_.device).time(task.op));
    if (on_host) {
      estimate.busy = host_seconds(kernels_, task, view).value_or(estimate.busy);
    } else {
      estimate.busy = std::max(estimate.busy, device_expert_seconds(kernels_, task, view)) +
                      unpacking_seconds(kernels_, task, view, view.device_attained.memory.value_or(kStreamed)) +
                      rebuilding_seconds(kernels_, task, view, view.device_attained.memory.value_or(kStreamed));
    }
    return estimate;
  }

  double spread(const Task& task, const MachineView& view) const override { return base_->spread(task, view); }
  double multiprocessors(const Task& task) const override { return base_->multiprocessors(task); }
  /// Products of whatever format by those of bf16, where the engine says what its kernels attain.
  Attained attained(const MachineView& view) const override {
    Attained attained = base_->attained(view);
    attained.handover = kernels_.handover;
    attained.device_operator = kernels_.device.pace * kernels_.device.each;
    attained.host_operator = kernels_.host.pace * kernels_.host.each;
    if (kernels_.formats.empty() || !view.has_host()) {
      return attained;
    }
    const auto& peak = view.host_unit().seconds_per_flop;
    double compute = 0, memory = 0;
    for (const EngineKernels::OfFormat& format : kernels_.formats) {
      for (const HostKernel& kernel : format.kernels) {
        memory = std::max(memory, kernel.memory);
        if (format.weights == DType::bf16) {
          compute = std::max(compute, peak[static_cast<std::size_t>(DType::bf16)] /
                                          peak[static_cast<std::size_t>(kernel.arithmetic)] * kernel.compute);
        }
      }
    }
    attained.host_compute = compute > 0 ? std::min(1.0, compute) : attained.host_compute;
    attained.host_memory = view.host_memory_attained.value_or(memory);
    return attained;
  }
  SoftwareTerms software() const override { return terms_; }
  double reserve_fraction() const override { return memory_reserve_.value_or(base_->reserve_fraction()); }
  std::string name() const override { return base_->name() + ", run by " + name_; }

 private:
  CostModelPointer base_;
  std::string name_;
  EngineKernels kernels_;
  SoftwareTerms terms_;
  std::optional<double> memory_reserve_;
};

}  // namespace

CostModelPointer engine_cost_model(CostModelPointer base, const std::string& name_or_file, const std::string& device) {
  if (name_or_file.empty()) {
    throw UserError("--engine: the name is empty");
  }
  Software software = read_software(Config::load(find_in_catalog("software", "engine", name_or_file).file));
  return std::make_shared<EngineCostModel>(std::move(base), std::move(software), device);
}

}  // namespace moesaic
