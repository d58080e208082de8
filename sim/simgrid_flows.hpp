// The same flows simulated by SimGrid, an independent judge of our own solver (simgrid.org; version 3.32).
#pragma once

#include <filesystem>
#include <optional>

#include "sim/flows.hpp"

namespace moesaic {

/// The program moesaic-simgrid: the one that MOESAIC_SIMGRID names, or the one beside this program, in its
/// libexec/moesaic, or where moesaic was built or installed. Nothing where SimGrid was not there when it was built.
/// Throws UserError if MOESAIC_SIMGRID names no file.
std::optional<std::filesystem::path> find_simgrid();

/// What run_flows gives, by SimGrid's fluid model with latencies outside of it (CM02, no cross-traffic, no TCP
/// windows): then its rates are max-min fair too. `events` is 0. Runs a process of its own for each call: 0.3 s for the
/// 16,256 flows of an all-to-all of 128 ranks, minutes where as many flows all end at different times.
///
/// SimGrid takes flows whole. A channel of which all flows take the same share stands for a larger one that they take
/// whole; other shares are refused (see split_into_paths), and so is a multiplicity that is not a whole number. Throws
/// UserError for these, where moesaic-simgrid is not there, and where it fails.
FlowTimes run_flows_in_simgrid(const FlowProblem& problem);

}  // namespace moesaic
