// The few facts that text, comparison and page all show of a prediction, already in words.
#pragma once

#include <string>
#include <vector>

#include "sim/prediction.hpp"

namespace moesaic {

/// Whether there are times at all.
bool runs(const Prediction& prediction);

/// "fits: 11.7 GB of 80.0 GB per device", or "DOES NOT FIT: short by ..." and what would fit.
std::string verdict_text(const Prediction& prediction);
/// What the times are for when the batch does not fit as asked; empty when it does.
std::string verdict_note(const Prediction& prediction);

enum class Better : unsigned char { neither, less, more };

/// One figure of merit. `text` is "-" when nothing runs.
struct Metric {
  std::string name;
  double value = 0;  ///< for comparing; NaN when nothing runs
  std::string text;
  std::string remark;
  Better better = Better::neither;
};
/// Always the same metrics in the same order.
std::vector<Metric> metrics(const Prediction& prediction);

/// What was asked, as (name, value).
struct Fact {
  std::string name;
  std::string value;
};
std::vector<Fact> question(const Prediction& prediction);

/// A phase and its name.
struct NamedPhase {
  std::string name;   ///< "decode"
  std::string title;  ///< "decoding one token of every request"
  const PhasePrediction* phase;
};
std::vector<NamedPhase> phases(const Prediction& prediction);

/// Waterfall bars without those that add nothing.
std::vector<WaterfallBar> shown_bars(const PhasePrediction& phase);

/// Who takes how much of the energy of the work of one output token, in words; nothing where the machine does not say.
struct EnergyPart {
  std::string name;  ///< of a unit, or "links"
  std::string memory, arithmetic;
  double share = 0;
};
std::vector<EnergyPart> energy_parts(const Prediction& prediction);

/// Memory classes in the order of every report.
struct MemoryClass {
  std::string id;    ///< the key of the JSON contract
  std::string name;  ///< for people
  Bytes MemoryFootprint::*bytes;
};
const std::vector<MemoryClass>& memory_classes();

/// Largest first.
std::vector<Elasticity> sorted_elasticity(const Prediction& prediction);
/// The largest few, those without effect left out.
std::vector<Elasticity> strongest_elasticity(const Prediction& prediction);
/// Throughput gained, as a fraction, by 10% more of the figure (10% less of a latency), to first order.
double gain_of_ten_percent(const Elasticity& elasticity);

/// Time of operators that run one after another.
Seconds total_time(const std::vector<OperatorRow>& rows);

/// Utilisation of one resource in both phases, those above 0.05%; zero where a phase does not use it.
struct SharedUse {
  std::string resource;
  double prefill = 0;
  double decode = 0;
};
std::vector<SharedUse> utilisation(const Prediction& prediction);

}  // namespace moesaic
