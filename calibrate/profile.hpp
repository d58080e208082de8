// A profile: what the kernels of one software stack take on one device, fitted from measurements.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/config.hpp"
#include "calibrate/kernel_surface.hpp"
#include "calibrate/measurement.hpp"
#include "hw/machine.hpp"

namespace moesaic {

/// Where the numbers of a profile come from.
struct Provenance {
  std::string date;                                        ///< of the fit, "2026-11-27"
  std::map<std::string, std::size_t> files;                ///< measurement file -> rows used
  std::map<std::string, std::vector<std::string>> shapes;  ///< family name -> whole shapes that were fitted on, sorted
};

struct Profile {
  std::string device;  ///< catalog name
  std::string stack;   ///< "vllm-0.24.0"
  std::vector<KernelSurface> surfaces;
  Provenance provenance;

  std::string name() const { return device + "--" + stack; }
  /// The surface of a kernel: same family and formats, and the same kernel if there are several (the one with most rows
  /// when none is named so). Null if the profile has none.
  const KernelSurface* find(Family family, std::string_view dtype, std::string_view kv_dtype,
                            std::string_view kernel) const;
  /// Whether the fit has seen this whole shape.
  bool has_seen(Family family, const std::string& whole_shape) const;
};

struct ProfileOptions {
  SurfaceOptions surface;
  std::string date;
  int threads = 0;  ///< 0: as many as there are cores; the result does not depend on it
};

/// Fits every kernel of `rows` (indices into measurements.rows), which are all of one device and stack.
Profile fit_profile(const Measurements& measurements, const std::vector<std::uint32_t>& rows, const Machine& machine,
                    const ProfileOptions& options);

/// Text of at most 1 MiB that reads back to the same profile; JSON whose tables are strings of integers.
std::string profile_json(const Profile& profile);
/// Throws UserError.
Profile read_profile(const Config& config);

}  // namespace moesaic
