// The JSON of reproduced studies; schema: configs/schema/reproduction.json.
#include <nlohmann/json.hpp>

#include "base/json_text.hpp"
#include "reports/reproduction.hpp"

namespace moesaic {
namespace {

using Json = nlohmann::ordered_json;

Json class_json(const ReproductionScores::Class& scores) {
  return {{"rows", scores.rows},
          {"within", scores.within},
          {"median_abs_error", scores.median},
          {"worst_abs_error", scores.worst}};
}

Json row_json(const Study& study, const ReproducedRow& row) {
  const Amount& published = row.row.published;
  const bool predicted = row.unfit.empty();
  Json json = {{"system", study.system},
               {"id", row.row.id},
               {"quantity", row.row.quantity},
               {"published", published.printed(published.least)},
               {"predicted", predicted ? Json(published.printed(row.predicted)) : Json(nullptr)},
               {"unit", published.unit},
               {"error", predicted ? Json(row.error) : Json(nullptr)},
               {"class", to_text(row.row.kind)},
               {"target", row.row.target},
               {"within", row.within},
               {"calibrated", row.row.calibrated},
               {"source", study.source + (row.row.where.empty() ? "" : ", " + row.row.where)}};
  if (published.most > published.least) {
    json["published_most"] = published.printed(published.most);
  }
  if (predicted && !row.partial.empty()) {
    json["partial"] = row.partial;
  }
  if (!predicted) {
    json["unfit"] = row.unfit;
  }
  if (!row.row.reason.empty()) {
    json["reason"] = row.row.reason;
  }
  return json;
}

}  // namespace

std::string reproduction_json(const std::vector<Reproduction>& studies) {
  Json rows = Json::array();
  for (const Reproduction& study : studies) {
    for (const ReproducedRow& row : study.rows) {
      rows.push_back(row_json(study.study, row));
    }
  }
  const ReproductionScores scores = reproduction_scores(studies);
  const Json json = {{"version", "1"},
                     {"rows", rows},
                     {"scores",
                      {{"rows", scores.rows},
                       {"within", scores.within},
                       {"calibrated", scores.calibrated},
                       {"closed-form", class_json(scores.closed_form)},
                       {"measured", class_json(scores.measured)},
                       {"ratio", class_json(scores.ratio)}}}};
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace moesaic
