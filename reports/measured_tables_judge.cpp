// Reads the tables, finds every row's group, and has the rows predicted.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <iterator>

#include "base/error.hpp"
#include "base/nearest.hpp"
#include "base/statistics.hpp"
#include "calibrate/csv.hpp"
#include "reports/measured_tables.hpp"

namespace moesaic {
namespace {

struct Row {
  std::size_t line = 0;
  std::map<std::string, std::string> fields;
};

std::vector<Row> read_rows(const std::filesystem::path& path, const MeasuredTables::File& file) {
  std::ifstream in(path, std::ios::binary);
  if (!in) {
    throw UserError(fmt::format("cannot read {}", printable(path.string(), 400)));
  }
  const std::string text{std::istreambuf_iterator<char>(in), {}};
  CsvTable table(text);
  for (const auto* columns : {&file.measured, &file.about}) {
    for (const std::string& column : *columns) {
      if (!table.column(column)) {
        throw UserError(fmt::format("{}: has no column '{}'{}", printable(path.string(), 400), printable(column),
                                    suggest(column, table.header())));
      }
    }
  }
  std::vector<Row> rows;
  while (table.next()) {
    try {
      table.split();
    } catch (const BadRow& bad) {
      throw UserError(fmt::format("{}:{}: {}", printable(path.string(), 400), table.line(), bad.what()));
    }
    Row row{table.line(), {}};
    for (std::size_t i = 0; i < table.header().size(); ++i) {
      row.fields[table.header()[i]] = table[i];
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

bool fits(const MeasuredGroup& group, const Row& row) {
  return std::all_of(group.where.begin(), group.where.end(), [&](const auto& condition) {
    const auto field = row.fields.find(condition.first);
    if (field == row.fields.end()) {
      group.origin.at("where").fail(fmt::format("the file has no column '{}'", printable(condition.first)));
    }
    return std::find(condition.second.begin(), condition.second.end(), field->second) != condition.second.end();
  });
}

/// {COLUMN} replaced by the row's fields, or by the group's words for them.
std::string filled(const std::string& text, const MeasuredGroup& group, const Row& row) {
  std::string result;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = text[at] == '{' ? text.find('}', at) : std::string::npos;
    const auto field = end == text.npos ? row.fields.end() : row.fields.find(text.substr(at + 1, end - at - 1));
    if (field == row.fields.end()) {
      result += text[at++];
      continue;
    }
    std::string value = field->second;
    if (const auto words = group.words.find(field->first); words != group.words.end()) {
      if (const auto word = words->second.find(value); word != words->second.end()) {
        value = word->second;
      }
    }
    if (value.empty()) {
      throw UserError(fmt::format("the row does not say its {}", field->first));
    }
    if (value.find_first_of("\"\\") != value.npos) {
      throw UserError(fmt::format("the row's {} holds a quote or a backslash", field->first));
    }
    result += value;
    at = end + 1;
  }
  return result;
}

std::string about(const MeasuredTables::File& file, const Row& row) {
  std::string text;
  for (const std::string& column : file.about) {
    const std::string& field = row.fields.at(column);
    if (!field.empty()) {
      text += text.empty() ? "" : ", ";
      text += parse_number(field) ? column + " " : "";
      text += field;
    }
  }
  return text;
}

class Judge {
 public:
  Judge(const MeasuredTables& tables, const JudgeTables& with) : with_(with), judgement_{tables, {}, {}} {}

  void judge(const MeasuredTables::File& file, const Row& row) {
    const std::vector<MeasuredGroup>& groups = judgement_.tables.groups;
    const auto group = std::find_if(groups.begin(), groups.end(), [&](const MeasuredGroup& each) {
      return each.file == file.name && fits(each, row);
    });
    if (with_.wanted && !with_.wanted(group == groups.end() ? "" : group->name)) {
      return;
    }
    for (const std::string& column : file.measured) {
      if (!row.fields.at(column).empty()) {
        judge(file, row, column, group == groups.end() ? nullptr : &*group);
      }
    }
  }
  MeasuredJudgement take() { return std::move(judgement_); }

 private:
  void judge(const MeasuredTables::File& file, const Row& row, const std::string& column, const MeasuredGroup* group) {
    UnjudgedNumber unjudged{group == nullptr ? "" : group->name, file.name, row.line, about(file, row), column, ""};
    const auto leave_out = [&](std::string reason) {
      unjudged.reason = std::move(reason);
      judgement_.left_out.push_back(unjudged);
    };
    if (group == nullptr) {
      return leave_out("no group has such rows");
    }
    if (!group->left_out.empty()) {
      return leave_out(group->left_out);
    }
    const auto formula = std::find_if(group->formulas.begin(), group->formulas.end(),
                                      [&](const auto& each) { return each.first == column; });
    const std::optional<double> measured = parse_number(row.fields.at(column));
    if (formula == group->formulas.end()) {
      return leave_out("its group has no formula for this column");
    }
    if (!measured || !(*measured > 0)) {
      return leave_out("the measured value is no number above zero");
    }
    NamedValues values;
    std::string text;
    try {
      const Config config = Config::parse(filled(group->run.dump(), *group, row), group->run.origin());
      text = filled(formula->second, *group, row);
      for (const auto& [name, value] : with_.run(read_run("it", config))) {
        values["it." + name] = value;
      }
    } catch (const UserError& error) {
      return leave_out(error.what());
    }
    double predicted = 0;
    try {
      predicted = evaluate_expression(text, values);
    } catch (const UserError& error) {
      group->origin.at("predicted").at(column).fail(error.what());
    }
    judgement_.rows.push_back({static_cast<std::size_t>(group - judgement_.tables.groups.data()), file.name, row.line,
                               unjudged.about, column, *measured, predicted});
  }

  const JudgeTables& with_;
  MeasuredJudgement judgement_;
};

}  // namespace

MeasuredJudgement judge_tables(const MeasuredTables& tables, const JudgeTables& with) {
  std::vector<std::pair<const MeasuredTables::File*, Row>> rows;
  for (const MeasuredTables::File& file : tables.files) {
    const std::filesystem::path path = with.find(file.name);
    if (path.empty()) {
      throw UserError(fmt::format("--data: there is no {} in this folder", file.name));
    }
    for (Row& row : read_rows(path, file)) {
      rows.emplace_back(&file, std::move(row));
    }
  }
  Judge judge(tables, with);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (with.progress) {
      with.progress(i + 1, rows.size());
    }
    judge.judge(*rows[i].first, rows[i].second);
  }
  return judge.take();
}

TableScores table_scores(const MeasuredJudgement& judgement, const std::string& group) {
  std::vector<double> errors, signed_errors;
  for (const JudgedNumber& row : judgement.rows) {
    if (group.empty() || judgement.tables.groups[row.group].name == group) {
      signed_errors.push_back(row.error());
      errors.push_back(std::abs(row.error()));
    }
  }
  if (errors.empty()) {
    return {};
  }
  return {errors.size(), median(errors), percentile(errors, 0.9), percentile(errors, 1), median(signed_errors)};
}

}  // namespace moesaic
