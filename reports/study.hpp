// Study files (configs/studies): published numbers, and how each of them is predicted. The format: docs/studies.md.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/amount.hpp"
#include "base/config.hpp"

namespace moesaic {

/// A moesaic command whose JSON holds the numbers that formulas use.
struct StudyRun {
  std::string name;  ///< of its numbers in formulas: NAME.path.in.the.json
  std::string command;
  std::vector<std::pair<std::string, std::string>> options;  ///< without "--"; of a flag the value is empty
  Config origin;                                             ///< where it stands, for messages
};

enum class RowClass : std::uint8_t {
  closed_form,  ///< follows from a formula: exact to the printed digits
  measured,     ///< timed on a real machine
  ratio         ///< one measured number over another
};
std::string_view to_text(RowClass kind);

struct StudyRow {
  std::string id;
  std::string quantity;
  std::string where;   ///< in the source: "table 3"
  std::string reason;  ///< why it does not come out, where that is known
  Amount published;
  RowClass kind = RowClass::closed_form;
  double target = 0;        ///< largest |predicted / published - 1|; 0: exact to the printed digits
  bool calibrated = false;  ///< a figure of the study comes from it: no proof of anything
  std::string formula;
  std::optional<StudyRun> run;  ///< its own one, called "it" in the formula
  Config origin;
};

/// What formulas of later rows call a row: its id, with '_' for what names do not have.
std::string name_in_formulas(const StudyRow& row);

struct Study {
  std::string system;
  std::string title;
  std::string source;
  std::string group;  ///< studies of one subject are run by this name too; may be empty
  std::string note;
  std::vector<std::pair<std::string, Config>> values;
  std::vector<StudyRun> runs;
  std::vector<StudyRow> rows;
  /// Files of the study's own, by folder of the catalog ("machines", "topologies", "models", "routings", "traces", ...)
  /// and name.
  struct Definition {
    std::string folder, name;
    Config content;
  };
  std::vector<Definition> definitions;
};

/// The files of "define". Throws UserError.
std::vector<Study::Definition> read_definitions(const Config& config);
/// {"predict": {"model": ...}}. Throws UserError.
StudyRun read_run(const std::string& name, const Config& config);
/// Throws UserError.
Study read_study(const Config& config);

}  // namespace moesaic
