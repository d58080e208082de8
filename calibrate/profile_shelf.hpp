// Choosing among profiles: the device's own first, else the nearest sibling's.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "calibrate/profile.hpp"

namespace moesaic {

/// A surface and whose it is.
struct ShelvedSurface {
  const Profile* profile = nullptr;
  const KernelSurface* surface = nullptr;
  bool borrowed = false;  ///< another device's: its achieved fractions at this device's peaks
};

/// "vllm" of "vllm-0.24.0".
std::string engine_of(const std::string& stack);

class ProfileShelf {
 public:
  explicit ProfileShelf(std::vector<Profile> profiles);

  /// The surface for a kernel on a device: of the same stack; of the same engine in another version, newest first; of
  /// any other stack of the device; then the same of the device whose peak rates and bandwidth are nearest. Kernels of
  /// one operation are alike: "all_reduce" matches "all_reduce/...". None if no profile has such a kernel.
  ShelvedSurface find(const std::string& device, const KernelMachine& figures, const std::string& stack, Family family,
                      std::string_view dtype, std::string_view kv_dtype, std::string_view kernel,
                      bool several_nodes = false) const;

  const std::vector<Profile>& profiles() const { return *profiles_; }

 private:
  std::shared_ptr<const std::vector<Profile>> profiles_;
  std::vector<KernelMachine> figures_;  ///< of each profile's device
};

/// How far apart two devices are: differences of the logarithms of what kernels feel, and whether they run the same
/// instructions.
double device_distance(const KernelMachine& a, const KernelMachine& b);

/// The figures of a machine's device, and of its network: its own, else that of the node that it is sold in.
KernelMachine machine_figures(const Machine& machine);
/// The same of a catalog device. Throws UserError for an unknown one.
KernelMachine device_figures(const std::string& device);

}  // namespace moesaic
