// JSON (schema: configs/schema/table_validation.json) and CSV of judged tables.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "calibrate/csv.hpp"
#include "reports/measured_tables.hpp"

namespace moesaic {
namespace {

using Json = nlohmann::ordered_json;

Json scores_json(const TableScores& scores) {
  return {{"rows", scores.rows},
          {"median_abs_error", scores.median},
          {"p90_abs_error", scores.p90},
          {"worst_abs_error", scores.worst},
          {"bias", scores.bias}};
}

}  // namespace

std::string measured_tables_json(const MeasuredJudgement& judgement) {
  Json rows = Json::array(), left_out = Json::array(), groups = Json::array();
  for (const JudgedNumber& row : judgement.rows) {
    rows.push_back({{"group", judgement.tables.groups[row.group].name},
                    {"file", row.file},
                    {"line", row.line},
                    {"about", row.about},
                    {"quantity", row.quantity},
                    {"measured", row.measured},
                    {"predicted", row.predicted},
                    {"error", row.error()}});
  }
  for (const UnjudgedNumber& row : judgement.left_out) {
    left_out.push_back({{"group", row.group},
                        {"file", row.file},
                        {"line", row.line},
                        {"about", row.about},
                        {"quantity", row.quantity},
                        {"reason", row.reason}});
  }
  for (const MeasuredGroup& group : judgement.tables.groups) {
    if (const TableScores scores = table_scores(judgement, group.name); scores.rows > 0) {
      Json json = {{"name", group.name}};
      json.update(scores_json(scores));
      groups.push_back(json);
    }
  }
  const TableScores all = table_scores(judgement);
  const Json json = {{"version", "1"},
                     {"tables", judgement.tables.name},
                     {"target", judgement.tables.target},
                     {"within", all.rows > 0 && all.median <= judgement.tables.target},
                     {"scores", scores_json(all)},
                     {"groups", groups},
                     {"rows", rows},
                     {"left_out", left_out}};
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string measured_tables_csv(const MeasuredJudgement& judgement) {
  std::string text = "group,file,line,about,quantity,measured,predicted,error,reason\n";
  for (const JudgedNumber& row : judgement.rows) {
    text += fmt::format("{},{},{},{},{},{:.6g},{:.6g},{:.4f},\n", csv_field(judgement.tables.groups[row.group].name),
                        csv_field(row.file), row.line, csv_field(row.about), csv_field(row.quantity), row.measured,
                        row.predicted, row.error());
  }
  for (const UnjudgedNumber& row : judgement.left_out) {
    text += fmt::format("{},{},{},{},{},,,,{}\n", csv_field(row.group), csv_field(row.file), row.line,
                        csv_field(row.about), csv_field(row.quantity), csv_field(row.reason));
  }
  return text;
}

}  // namespace moesaic
