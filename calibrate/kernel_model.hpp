// The physical side of a calibrated kernel time: what a shape demands of the hardware at peak rates, and the features
// in which measured kernels deviate from it. One file per group of families in calibrate/kernel_models/.
#pragma once

#include <string_view>

#include "calibrate/boosted_trees.hpp"
#include "calibrate/kernel_models/expert_load.hpp"
#include "calibrate/measurement.hpp"
#include "model/machine_view.hpp"
#include "model/operator.hpp"

namespace moesaic {

/// The figures of a device that kernel times depend on.
struct KernelMachine {
  PerDType<double> seconds_per_flop{};  ///< at peak, in the format that arithmetic really runs in
  double seconds_per_byte = 0;          ///< of the device's memory
  double multiprocessors = 108;
  double compute_capability = 0;     ///< what kernels are built for; 0: not known
  double cache = 0;                  ///< bytes of the last-level cache
  double link_seconds_per_byte = 0;  ///< scale-up link, one direction
  double link_latency = 0;
  double network_seconds_per_byte = 0;  ///< one device's share of its node's adapters; 0: not known
  bool switched = false;
  bool in_switch_reduction = false;
};
/// Of the device's unit `unit`.
KernelMachine kernel_machine(const MachineView& view, std::size_t unit = 0);

/// Bytes of one element by class, and the format of the products; from the names that measurements use.
struct KernelFormats {
  double weight_bytes = 2;
  double activation_bytes = 2;
  double kv_bytes = 2;
  DType arithmetic = DType::bf16;
};
/// Throws UserError for a name that is not known.
KernelFormats kernel_formats(std::string_view dtype, std::string_view kv_dtype);

/// What one call demands, in seconds at peak rates.
struct KernelTerms {
  double compute = 0;    ///< with the padding to tiles and the last wave's idle multiprocessors; or a message over the
                         ///< network, whose adapters have a roof of their own
  double memory = 0;     ///< weights, activations and cache through the device's memory; or a message over the link
  double steps = 0;      ///< dependent steps: experts, splits, messages
  double footprint = 0;  ///< bytes that repeated calls can find in the last-level cache
};

struct KernelPoint {
  KernelTerms terms;
  /// Functions of the shape and of the number of multiprocessors only: a faster memory or unit changes no feature, so
  /// that it never makes a prediction slower.
  FeatureRow features{};
};

/// What a kernel model needs besides the shape.
struct KernelSetting {
  Family family = Family::gemm;
  KernelFormats formats;
  std::string_view kernel;  ///< operation of a collective, of an exchange, ...
  KernelMachine machine;
};

KernelPoint kernel_point(const KernelSetting& setting, const ShapeValues& shape);

// One function per file in calibrate/kernel_models/.
KernelPoint gemm_point(const KernelSetting& setting, const ShapeValues& shape);
KernelPoint attention_prefill_point(const KernelSetting& setting, const ShapeValues& shape);
KernelPoint attention_decode_point(const KernelSetting& setting, const ShapeValues& shape);
KernelPoint latent_attention_point(const KernelSetting& setting, const ShapeValues& shape);
KernelPoint latent_product_point(const KernelSetting& setting, const ShapeValues& shape);
KernelPoint moe_point(const KernelSetting& setting, const ShapeValues& shape);
/// The same for a load that is known, whatever the shape says about skew.
KernelPoint routed_point(const KernelSetting& setting, const ShapeValues& shape, const ExpertLoad& load);
/// The collective that a measured kernel's name begins with, "all_reduce/vLLM_custom_graph"; all-to-all for others.
CollectiveKind measured_collective(std::string_view kernel);
KernelPoint collective_point(const KernelSetting& setting, const ShapeValues& shape);
inline constexpr std::size_t kExchangeNodes = 4;  ///< the feature of an exchange that is its number of nodes
KernelPoint expert_exchange_point(const KernelSetting& setting, const ShapeValues& shape);
KernelPoint elementwise_point(const KernelSetting& setting, const ShapeValues& shape);

/// Ceiling of a / b for positive sizes, by integers.
inline double ceil_div(double a, double b) { return static_cast<double>(static_cast<std::int64_t>((a + b - 1) / b)); }

}  // namespace moesaic
