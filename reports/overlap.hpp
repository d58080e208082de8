// What people read of an MoE layer in chunks.
#pragma once

#include <string>
#include <vector>

#include "reports/report.hpp"
#include "sim/chunked_layer_sweep.hpp"

namespace moesaic {

struct OverlapReport {
  struct Row {
    OverlapPolicy policy;
    OverlapChoice choice;
    double speedup;  ///< over the baseline
  };
  OverlapPolicy baseline = OverlapPolicy::tutel;
  std::vector<Row> rows;
  FsmoeFormula forward, backward;  ///< FSMoE's closed form for its chunks, no gradients in it
};
/// `chunks`: of every policy; 0: the best up to `most`.
OverlapReport report_overlap(const MoeLayerTimes& layer, const std::vector<OverlapPolicy>& policies,
                             OverlapPolicy baseline, int chunks, int most);
std::string overlap_text(const OverlapReport& report, const TextStyle& style);
/// The contract of configs/schema/overlap.json.
std::string overlap_json(const OverlapReport& report);

struct OverlapSweepReport {
  std::string name;
  OverlapPolicy baseline = OverlapPolicy::tutel;
  OverlapSweep sweep;
};
std::string overlap_sweep_text(const OverlapSweepReport& report, const TextStyle& style);
/// The contract of configs/schema/overlap_sweep.json.
std::string overlap_sweep_json(const OverlapSweepReport& report);

}  // namespace moesaic
