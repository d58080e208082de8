// A measured GPU as a machine that predictions can run on.
#pragma once

#include <string>

#include "calibrate/measure_gpu.hpp"
#include "calibrate/profile.hpp"

namespace moesaic {

/// A device with one unit "gpu", or a node of all GPUs here, as read_machine() wants it, every figure with how it is
/// known, and `profile`'s kernels where there are any. Peak rates are the datasheet's if the catalog has the device:
/// what was achieved is then an efficiency, which the profile holds. Throws UserError if measuring ended before the
/// memory's bandwidth, an empty kernel and the rate of one format were known.
std::string gpu_machine_json(const GpuFacts& facts, const Profile* profile = nullptr);

/// The kernels measured on the machine that `facts` make. None if no kernel was measured. Throws as gpu_machine_json()
/// does.
std::optional<Profile> fit_gpu_profile(const GpuFacts& facts, const Measurements& measurements,
                                       const std::string& date);

/// The same facts for people: a table of rates and latencies.
std::string gpu_facts_text(const GpuFacts& facts);

}  // namespace moesaic
