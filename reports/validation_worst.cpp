// The worst rows of a validation as a table of text.
#include "base/error.hpp"
#include "base/quantity_text.hpp"
#include "reports/names.hpp"
#include "reports/table.hpp"
#include "reports/validation_scores.hpp"

namespace moesaic {

std::string worst_rows_text(const Validation& validation, const RowSet& rows, const TextStyle& style) {
  Table table({{"error", Align::right},
               {"measured", Align::right},
               {"predicted", Align::right},
               {"kernel"},
               {"shape"},
               {"from"}});
  for (const std::uint32_t i : worst_rows(validation.judgement, rows, kWorstShown)) {
    const JudgedRow& row = validation.judgement.rows[i];
    const MeasurementKey& key = key_of(validation, row);
    std::string kernel = key.device + ' ' + key.stack + ' ' + judged_dtype(key);
    kernel += key.kernel.empty() ? "" : ' ' + key.kernel;
    table.add({signed_percent(row.error()), to_text(Seconds{row.measured}), to_text(Seconds{row.predicted}),
               printable(kernel, 200), shape_text(measurement_of(validation, row), key.family),
               printable(place_of(validation, row), 400)});
  }
  return table.text(style);
}

}  // namespace moesaic
