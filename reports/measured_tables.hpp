// Tables that people measured (CSV files), and how moesaic predicts their rows: configs/validation, docs/validation.md.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "reports/expression.hpp"
#include "reports/report.hpp"
#include "reports/study.hpp"

namespace moesaic {

/// Rows of one file that are predicted in one way.
struct MeasuredGroup {
  std::string name;
  std::string file;
  std::string note;
  std::string left_out;  ///< why the rows cannot be predicted; empty where they are
  std::vector<std::pair<std::string, std::vector<std::string>>> where;  ///< column, and what it may hold
  /// What {COLUMN} is replaced by where it is not what the row holds: by column and content ("": an empty field).
  std::map<std::string, std::map<std::string, std::string>> words;
  std::vector<std::pair<std::string, std::string>> formulas;  ///< of measured columns; numbers of the run are it.path
  Config run;                                                 ///< {"predict": {...}} with {COLUMN} in it
  Config origin;
};

struct MeasuredTables {
  struct File {
    std::string name;
    std::vector<std::string> measured;  ///< columns
    std::vector<std::string> about;     ///< columns that say what the row is about
  };
  std::string name;
  double target = 0;  ///< of the median of |error|
  std::vector<File> files;
  std::vector<Study::Definition> definitions;
  std::vector<MeasuredGroup> groups;
};

/// Throws UserError.
MeasuredTables read_measured_tables(const Config& config);

/// One number of a table beside its prediction.
struct JudgedNumber {
  std::size_t group = 0;
  std::string file;
  std::size_t line = 0;
  std::string about;
  std::string quantity;  ///< the column
  double measured = 0;
  double predicted = 0;
  double error() const { return predicted / measured - 1; }
};

/// A number that has no prediction.
struct UnjudgedNumber {
  std::string group;  ///< empty: of no group
  std::string file;
  std::size_t line = 0;
  std::string about;
  std::string quantity;
  std::string reason;
};

struct MeasuredJudgement {
  const MeasuredTables& tables;
  std::vector<JudgedNumber> rows;
  std::vector<UnjudgedNumber> left_out;
};

struct JudgeTables {
  std::function<std::filesystem::path(const std::string&)> find;  ///< a table's file; empty: it is not there
  std::function<NamedValues(const StudyRun&)> run;                ///< throws UserError
  std::function<bool(const std::string&)> wanted;                 ///< groups by name
  std::function<void(std::size_t, std::size_t)> progress;         ///< may be empty
};
/// Every number of every row is in one of both lists. Throws UserError where a file is missing or no such table.
MeasuredJudgement judge_tables(const MeasuredTables& tables, const JudgeTables& with);

/// Of |predicted / measured - 1|, and the median with its sign.
struct TableScores {
  std::size_t rows = 0;
  double median = 0, p90 = 0, worst = 0, bias = 0;
};
/// Of one group, or of all rows.
TableScores table_scores(const MeasuredJudgement& judgement, const std::string& group = "");

std::string measured_tables_text(const MeasuredJudgement& judgement, const TextStyle& style);
/// The contract of configs/schema/table_validation.json.
std::string measured_tables_json(const MeasuredJudgement& judgement);
std::string measured_tables_csv(const MeasuredJudgement& judgement);

}  // namespace moesaic
