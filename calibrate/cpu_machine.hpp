// A measured CPU as a machine that predictions can run on.
#pragma once

#include <string>

#include "calibrate/measure_cpu.hpp"
#include "calibrate/profile.hpp"

namespace moesaic {

/// A device with one unit "cpu", as read_machine() wants it, every figure with how it was measured, and `profile`'s
/// kernels where there are any. Throws UserError if measuring ended before a bandwidth of memory, a dispatch and the
/// rate of one format were known.
std::string cpu_machine_json(const CpuFacts& facts, const Profile* profile = nullptr);

/// The kernels measured on the machine that `facts` make. Of several libraries the fastest counts, shape by shape, as
/// an engine would choose. None if no kernel was measured. Throws as cpu_machine_json() does.
std::optional<Profile> fit_cpu_profile(const CpuFacts& facts, const Measurements& measurements,
                                       const std::string& date);

/// The same facts for people: a table of bandwidths and rates.
std::string cpu_facts_text(const CpuFacts& facts);

}  // namespace moesaic
