// A measured CPU as a machine that predictions can run on.
#pragma once

#include <string>

#include "calibrate/measure_cpu.hpp"

namespace moesaic {

/// A device with one unit "cpu", as read_machine() wants it, every figure with how it was measured. Throws UserError
/// if measuring ended before a bandwidth of memory, a dispatch and the rate of one format were known.
std::string cpu_machine_json(const CpuFacts& facts);

/// The same facts for people: a table of bandwidths and rates.
std::string cpu_facts_text(const CpuFacts& facts);

}  // namespace moesaic
