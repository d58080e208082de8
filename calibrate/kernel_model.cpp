#include "calibrate/kernel_model.hpp"

#include <fmt/format.h>

#include <string>
#include <vector>

#include "base/error.hpp"
#include "base/nearest.hpp"

namespace moesaic {
namespace {

struct NamedFormats {
  std::string_view name;
  KernelFormats formats;  ///< kv_bytes is set by the cache's format
};

// Activations enter products in the weights' format where that is what the engine does; scales count.
constexpr NamedFormats kFormats[] = {
    {"bf16", {2, 2, 2, DType::bf16}},
    {"fp16", {2, 2, 2, DType::fp16}},
    {"fp32", {4, 4, 4, DType::fp32}},
    {"fp8", {1, 2, 1, DType::fp8}},
    {"fp8-block", {1, 2, 1, DType::fp8}},
    {"nvfp4", {0.5625, 2, 0.5625, DType::fp4}},
    {"mxfp4", {0.53125, 2, 0.53125, DType::bf16}},
    {"mxfp4-mxfp8", {0.53125, 2, 0.53125, DType::fp8}},
    {"int8", {1, 2, 1, DType::int8}},
    {"int8-wo", {1, 2, 1, DType::bf16}},
    {"int4-wo", {0.5, 2, 0.5, DType::bf16}},
};

const KernelFormats& formats_named(std::string_view name) {
  std::vector<std::string> names;
  for (const NamedFormats& known : kFormats) {
    if (known.name == name) {
      return known.formats;
    }
    names.emplace_back(known.name);
  }
  throw UserError(fmt::format("unknown number format '{}'{}", printable(name), suggest(name, names)));
}

}  // namespace

KernelMachine kernel_machine(const MachineView& view, std::size_t unit) {
  KernelMachine machine;
  machine.seconds_per_flop = view.units[unit].seconds_per_flop;
  machine.seconds_per_byte = 1 / view.resources[view.units[unit].memory].capacity;
  if (view.units[unit].multiprocessors > 0) {
    machine.multiprocessors = view.units[unit].multiprocessors;
  }
  machine.compute_capability = view.units[unit].compute_capability;
  machine.cache = view.device_cache.value;
  if (view.scale_up) {
    machine.link_seconds_per_byte = 1 / view.resources[*view.scale_up].capacity;
    machine.link_latency = view.scale_up_latency.value;
  }
  if (view.network) {
    machine.network_seconds_per_byte = 1 / view.resources[*view.network].capacity;
  }
  machine.switched = view.switched;
  machine.in_switch_reduction = view.in_switch_reduction;
  return machine;
}

KernelFormats kernel_formats(std::string_view dtype, std::string_view kv_dtype) {
  KernelFormats formats = formats_named(dtype);
  if (!kv_dtype.empty()) {
    formats.kv_bytes = formats_named(kv_dtype).kv_bytes;
  }
  return formats;
}

KernelPoint kernel_point(const KernelSetting& setting, const ShapeValues& shape) {
  switch (setting.family) {
    case Family::gemm:
      return gemm_point(setting, shape);
    case Family::attention_prefill:
      return attention_prefill_point(setting, shape);
    case Family::attention_decode:
      return attention_decode_point(setting, shape);
    case Family::mla_prefill:
    case Family::mla_decode:
    case Family::mla_prefill_module:
    case Family::mla_decode_module:
      return latent_attention_point(setting, shape);
    case Family::mla_bmm:
      return latent_product_point(setting, shape);
    case Family::moe:
    case Family::wide_ep_moe:
      return moe_point(setting, shape);
    case Family::collective:
      return collective_point(setting, shape);
    case Family::expert_exchange:
      return expert_exchange_point(setting, shape);
    case Family::quantize:
    case Family::elementwise:
      return elementwise_point(setting, shape);
  }
  MOESAIC_ASSERT(false);
}

}  // namespace moesaic
