// How an engine runs operators on a device and its host: kernels and launches on the one, instructions and what its own
// kernels attain of them on the other, and what it takes to hand over between the two.
#pragma once

#include <optional>
#include <vector>

#include "base/config.hpp"
#include "base/dtype.hpp"
#include "base/quantity.hpp"
#include "model/machine_view.hpp"
#include "model/step_graph.hpp"

namespace moesaic {

/// One way in which the host's cores multiply by weights of a number format.
struct HostKernel {
  DType arithmetic = DType::fp32;  ///< the instructions: of whose peak rate `compute` is a share
  double compute = 1;
  double memory = 1;  ///< of the host memory's bandwidth, where the machine's own file does not say what it attains
  double rows = 1;    ///< of a tile: an expert's rows are padded to whole tiles
};

/// Short kernels follow each other no faster than this, one operator being several of them.
struct Launches {
  double each = 1;    ///< kernels for one operator
  double expert = 0;  ///< for each expert that is used, where they are computed one by one
  double idle = 0;    ///< for each other one, where the loop visits all
  Seconds pace{};     ///< from one to the next
  Seconds time(const Operator& op) const;
};

/// An engine's own kernel for the experts on the device, in tiles of `rows` rows. Shares are of what the device's
/// products attain (`attained.compute` of its file, else its peak).
struct DeviceExperts {
  double compute = 1;
  double before_ampere = 1;  ///< of compute capability below 8, which cannot copy to shared memory beside arithmetic
  double rows = 1;
};

/// Weights or caches of a format that the engine's kernels do not multiply by: unpacked to 16 bits each time before
/// they are used, in the device's memory.
struct Unpacking {
  DType stored;
  double bytes = 2;  ///< read and written for an element, besides what is stored, before the product reads its 16 bits
};

struct EngineKernels {
  Launches device;                              ///< replayed from a graph, or launched by the host one by one
  std::optional<DeviceExperts> device_experts;  ///< absent: as profiles say
  Launches host;                                ///< parallel regions of the host's cores
  Seconds handover{};  ///< beside a copy's own latency: whoever waits for it learns that it may go on
  /// Of the bandwidth of several sockets' memory, what threads stream that know nothing of sockets; 1: they know.
  double across_sockets = 1;
  struct OfFormat {
    DType weights;
    std::vector<HostKernel> kernels;  ///< the fastest is taken
  };
  std::vector<OfFormat> formats;
  std::vector<Unpacking> unpacked;
  double rebuilt = 0;  ///< numbers of a head's key and value that are rebuilt of every cached latent; 0: none

  const std::vector<HostKernel>* of(DType weights) const;
};

/// "kernels" of configs/software/NAME.json. Throws UserError.
EngineKernels read_engine_kernels(const Config& config);

/// Time of a host operator with weights, less its launches. Never below its demand at peak rates. Nothing where the
/// engine says nothing about its format, or the operator has no weights.
std::optional<Seconds> host_seconds(const EngineKernels& kernels, const Task& task, const MachineView& view);

/// What the device's memory takes to unpack an operator's weights and cache at `share` of its bandwidth, and to read
/// them in 16 bits instead. Zero where the engine multiplies by them as they are.
Seconds unpacking_seconds(const EngineKernels& kernels, const Task& task, const MachineView& view, double share);

/// What it takes to rebuild keys and values of all heads of what latent attention has cached, in every step: their
/// product, and what is written and read of it at `share` of the memory's bandwidth. Zero where the engine attends in
/// the latent.
Seconds rebuilding_seconds(const EngineKernels& kernels, const Task& task, const MachineView& view, double share);

/// The arithmetic of experts on the device, their rows in whole tiles. Zero for other operators, and where the engine
/// says nothing about its own kernel.
Seconds device_expert_seconds(const EngineKernels& kernels, const Task& task, const MachineView& view);

}  // namespace moesaic
