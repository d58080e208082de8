// The waterfall of a phase as a table for a terminal.
#pragma once

#include <string>

#include "reports/report.hpp"
#include "reports/summary.hpp"

namespace moesaic {

/// From the phase's limit to its prediction, bar by bar; empty where nothing runs.
std::string waterfall_text(const NamedPhase& named, const TextStyle& style);

}  // namespace moesaic
