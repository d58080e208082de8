// What communication takes by closed forms at a machine's peak figures: the baseline of measured collectives.
#pragma once

#include <optional>

#include "base/quantity.hpp"
#include "calibrate/judge.hpp"
#include "calibrate/measurement.hpp"
#include "hw/machine.hpp"

namespace moesaic {

/// A collective: the fastest algorithm of model/collective.hpp with the catalogued bandwidths and latencies of links
/// and network. An exchange: its bytes on the busier of both levels, and one message's latency on each that it uses.
/// None where the machine, and the node that its device is sold in, lack the figures, or the family is another.
std::optional<Seconds> communication_peak(const MeasurementKey& key, const ShapeValues& shape, const Machine& machine);

/// Puts these in the place of the judged rows' rooflines, which know no latencies (zero: there is none), and the
/// constant efficiencies over them. The groups of the judgement stay as they are.
void use_communication_peaks(Judgement& judgement, const Measurements& measurements);

/// Whether the row's ranks sit in more than one node. Of a collective or an exchange.
bool crosses_nodes(const MeasurementKey& key, const ShapeValues& shape);

}  // namespace moesaic
