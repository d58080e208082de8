#include "calibrate/engine_kernels.hpp"

#include <algorithm>

#include "base/error.hpp"
#include "calibrate/cost_model.hpp"

namespace moesaic {
namespace {

double share(const Config& config) {
  const double value = config.number();
  if (!(value > 0 && value <= 1)) {
    config.fail("must be above 0 and at most 1 (a share of the peak figure)");
  }
  return value;
}

double at_least_one(const Config& owner, std::string_view key) {
  const auto config = owner.find(key);
  if (!config) {
    return 1;
  }
  const double value = config->number();
  if (!(value >= 1 && value <= 1e6)) {
    config->fail("must be from 1 to 1e6");
  }
  return value;
}

Seconds no_less_than_zero(const Config& config) {
  const auto value = config.quantity<Seconds>();
  if (value < Seconds{}) {
    config.fail("must not be negative");
  }
  return value;
}

Launches read_launches(const Config& owner, std::string_view key) {
  const auto config = owner.find(key);
  if (!config) {
    return {};
  }
  const auto of_each = [&](std::string_view name) { return config->has(name) ? at_least_one(*config, name) : 0; };
  return {at_least_one(*config, "kernels"), of_each("kernels_per_expert"), of_each("kernels_per_idle_expert"),
          no_less_than_zero(config->at("pace"))};
}

HostKernel read_kernel(const Config& config) {
  return {parse_dtype(config.at("arithmetic").string()), share(config.at("compute")), share(config.at("memory")),
          at_least_one(config, "rows")};
}

struct Weighted {
  StorageType weights;
  double padded_rows = 1;  ///< over rows
};

/// The weights' type of a matrix product, and how much more rows it computes in tiles of `tile`.
std::optional<Weighted> weighted(const Operator& op, double tile) {
  if (const auto* product = std::get_if<Gemm>(&op.shape)) {
    return Weighted{product->weights, std::max(1.0, tile / std::max(1.0, product->m))};
  }
  if (const auto* experts = std::get_if<GroupedGemm>(&op.shape); experts != nullptr && experts->rows > 0) {
    // Each used expert has a last tile that is half full on average, and one tile at least.
    const double whole = experts->rows + experts->distinct * (tile - 1) / 2;
    return Weighted{experts->weights, std::max(whole, experts->distinct * tile) / experts->rows};
  }
  return std::nullopt;
}

}  // namespace

Seconds Launches::time(const Operator& op) const {
  const auto* experts = std::get_if<GroupedGemm>(&op.shape);
  if (experts == nullptr) {
    return pace * each;
  }
  return pace * std::max(each, expert * experts->distinct + idle * std::max(0.0, experts->experts - experts->distinct));
}

const std::vector<HostKernel>* EngineKernels::of(DType weights) const {
  const auto found = std::find_if(formats.begin(), formats.end(), [&](const auto& f) { return f.weights == weights; });
  return found == formats.end() ? nullptr : &found->kernels;
}

EngineKernels read_engine_kernels(const Config& config) {
  EngineKernels out;
  out.device = read_launches(config, "device");
  out.host = read_launches(config, "host");
  if (const auto experts = config.find("device_experts")) {
    const double compute = share(experts->at("compute"));
    const auto before = experts->find("before_ampere");
    out.device_experts = DeviceExperts{compute, before ? share(*before) : compute, at_least_one(*experts, "rows")};
  }
  if (const auto handover = config.find("handover")) {
    out.handover = no_less_than_zero(*handover);
  }
  if (const auto across = config.find("across_sockets")) {
    out.across_sockets = share(*across);
  }
  if (const auto rebuilt = config.find("rebuilt_latent")) {
    out.rebuilt = rebuilt->number();
    if (!(out.rebuilt >= 0 && out.rebuilt <= 1e5)) {
      rebuilt->fail("must be from 0 to 100000: numbers of one head's key and value");
    }
  }
  if (const auto formats = config.find("unpacked")) {
    for (const std::string& key : formats->keys()) {
      const double bytes = formats->at(key).number();
      if (!(bytes >= 0 && bytes <= 1e3)) {
        formats->at(key).fail("must be from 0 to 1000: bytes read and written for an element");
      }
      out.unpacked.push_back({parse_dtype(key), bytes});
    }
  }
  if (const auto formats = config.find("host_products")) {
    for (const std::string& key : formats->keys()) {
      EngineKernels::OfFormat format{parse_dtype(key), {}};
      const Config list = formats->at(key);
      for (const Config& kernel : list.elements()) {
        format.kernels.push_back(read_kernel(kernel));
      }
      if (format.kernels.empty()) {
        list.fail("is empty: name at least one kernel, or leave the format out");
      }
      out.formats.push_back(std::move(format));
    }
  }
  return out;
}

std::optional<Seconds> host_seconds(const EngineKernels& kernels, const Task& task, const MachineView& view) {
  const auto any = weighted(task.op, 1);
  const auto* list = any ? kernels.of(any->weights.dtype) : nullptr;
  if (list == nullptr) {
    return std::nullopt;
  }
  const UnitView& unit = view.units[task.unit];
  double least = 1e300;
  for (const HostKernel& kernel : *list) {
    const double flops = task.work.flops.value * weighted(task.op, kernel.rows)->padded_rows;
    const double compute = flops * unit.seconds_per_flop[static_cast<std::size_t>(kernel.arithmetic)] / kernel.compute;
    const double streamed =
        std::min(view.host_memory_attained.value_or(kernel.memory), view.sockets > 1 ? kernels.across_sockets : 1);
    const double memory = task.work.memory().value / (view.resources[unit.memory].capacity * streamed);
    least = std::min(least, std::max(compute, memory));
  }
  return std::max(Seconds{least}, peak_seconds(task, view));
}

Seconds unpacking_seconds(const EngineKernels& kernels, const Task& task, const MachineView& view, double share) {
  const auto moved = [&](StorageType type, Bytes stored) {
    const auto found = std::find_if(kernels.unpacked.begin(), kernels.unpacked.end(),
                                    [&](const Unpacking& of) { return of.stored == type.dtype; });
    const double elements = type.bits > 0 ? stored.value * 8 / type.bits : 0;
    return found == kernels.unpacked.end() ? 0 : elements * (found->bytes + 2);
  };
  double bytes = 0;
  if (const auto* product = std::get_if<Gemm>(&task.op.shape)) {
    bytes = moved(product->weights, task.work.weights);
  } else if (const auto* experts = std::get_if<GroupedGemm>(&task.op.shape)) {
    bytes = moved(experts->weights, task.work.weights);
  } else if (const auto* scores = std::get_if<SoftmaxScores>(&task.op.shape)) {
    bytes = moved(scores->kv, std::min(scores->cached, task.work.kv));
  }
  return Seconds{bytes / (view.resources[view.units[task.unit].memory].capacity * share)};
}

Seconds rebuilding_seconds(const EngineKernels& kernels, const Task& task, const MachineView& view, double share) {
  const auto* scores = std::get_if<SoftmaxScores>(&task.op.shape);
  if (kernels.rebuilt <= 0 || scores == nullptr || !scores->shared_kv) {
    return {};
  }
  const UnitView& unit = view.units[task.unit];
  const double rebuilt = scores->sequences * scores->read_tokens * scores->heads * kernels.rebuilt;
  const double flops = 2 * rebuilt * scores->v_dim;  // the latent without its rotary part is what values are made of
  const double compute = flops * unit.seconds_per_flop[static_cast<std::size_t>(task.work.arithmetic)] /
                         view.device_attained.compute.value_or(1);
  const double moved = 2 * scores->activations.bytes(rebuilt).value;
  return Seconds{compute + moved / (view.resources[unit.memory].capacity * share)};
}

Seconds device_expert_seconds(const EngineKernels& kernels, const Task& task, const MachineView& view) {
  const auto* experts = std::get_if<GroupedGemm>(&task.op.shape);
  if (!kernels.device_experts || experts == nullptr || experts->rows <= 0) {
    return {};
  }
  const UnitView& unit = view.units[task.unit];
  const double flops = task.work.flops.value * weighted(task.op, kernels.device_experts->rows)->padded_rows;
  const double per_flop = unit.seconds_per_flop[static_cast<std::size_t>(task.work.arithmetic)];
  const bool old = unit.compute_capability > 0 && unit.compute_capability < 8;
  const double of_products = old ? kernels.device_experts->before_ampere : kernels.device_experts->compute;
  return Seconds{flops * per_flop / (of_products * view.device_attained.compute.value_or(1))};
}

}  // namespace moesaic
