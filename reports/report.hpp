// What people read of a prediction: text, JSON (a versioned contract), and a page.
#pragma once

#include <string>
#include <vector>

#include "hw/machine.hpp"
#include "sim/prediction.hpp"

namespace moesaic {

/// Whether text output goes to a terminal that shows colours and Unicode.
struct TextStyle {
  bool rich = false;
};

/// Tables for a terminal.
std::string prediction_text(const Prediction& prediction, const TextStyle& style);
/// Several predictions side by side, one column each; `names` head the columns.
std::string comparison_text(const std::vector<Prediction>& predictions, const std::vector<std::string>& names,
                            const TextStyle& style);
/// Operator table of one step.
std::string operators_text(const OperatorTable& operators, const TextStyle& style);

/// The contract of configs/schema/prediction.json; `version` "1". Times in seconds, sizes in bytes.
std::string prediction_json(const Prediction& prediction);
std::string comparison_json(const std::vector<Prediction>& predictions, const std::vector<std::string>& names);
std::string operators_json(const OperatorTable& operators);

/// Everything that one page shows of one prediction.
struct PageSection {
  std::string title;  ///< "Mixtral-8x7B on dgx-h100"
  Prediction prediction;
  std::vector<OperatorRow> prefill_operators;
  std::vector<OperatorRow> decode_operators;
  Seconds prefill_step{};  ///< that the operators belong to; zero: as long as they take one after another
  Seconds decode_step{};
  Machine machine;                ///< for the roofs of the roofline plot
  std::vector<SweepPoint> sweep;  ///< over the batch
};
/// One self-contained HTML page (no network): per section a roofline plot with the operators on it, waterfall, memory
/// bar, throughput and latency against batch with the limit beside the prediction, and the tables.
std::string prediction_page(const std::vector<PageSection>& sections, const std::string& command);

}  // namespace moesaic
