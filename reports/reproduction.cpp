#include "reports/reproduction.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <map>

#include "base/error.hpp"
#include "base/statistics.hpp"
#include "reports/names.hpp"

namespace moesaic {
namespace {

bool is_name(const std::string& text) {
  return !text.empty() && (std::isalpha(static_cast<unsigned char>(text[0])) != 0) &&
         std::all_of(text.begin(), text.end(), [](unsigned char c) { return std::isalnum(c) != 0 || c == '_'; });
}

double evaluated(const Config& origin, const std::string& formula, const NamedValues& names) {
  try {
    return evaluate_expression(formula, names);
  } catch (const DoesNotFit&) {
    throw;
  } catch (const UserError& error) {
    origin.fail(error.what());
  }
}

/// A number, an amount with a unit, or a formula behind "=".
double value_of(const Config& config, const NamedValues& names) {
  if (config.is_number()) {
    return config.number();
  }
  const std::string text = config.string();
  if (text.starts_with('=')) {
    return evaluated(config, text.substr(1), names);
  }
  try {
    return parse_amount(text).least;
  } catch (const UserError& error) {
    config.fail(error.what());
  }
}

void add(NamedValues& names, const std::string& prefix, const NamedValues& more) {
  for (const auto& [name, value] : more) {
    names.insert_or_assign(std::string(prefix).append(".").append(name), value);
  }
}

double error_of(const Amount& published, double predicted) {
  if (predicted >= published.least && predicted <= published.most) {
    return 0;
  }
  const double nearer = predicted < published.least ? published.least : published.most;
  return nearer != 0 ? predicted / nearer - 1 : predicted;
}

/// `name` stands in `formula`, and not as a part of another name.
bool uses(const std::string& formula, const std::string& name) {
  const auto in_a_name = [&](std::size_t at) {
    return at < formula.size() &&
           (std::isalnum(static_cast<unsigned char>(formula[at])) != 0 || formula[at] == '_' || formula[at] == '.');
  };
  for (std::size_t at = formula.find(name); at != std::string::npos; at = formula.find(name, at + 1)) {
    if ((at == 0 || !in_a_name(at - 1)) && !in_a_name(at + name.size())) {
      return true;
    }
  }
  return false;
}

/// What a row's own run says of its batch, where it runs in parts: its numbers are of the requests that run at once.
std::string part_of_batch(const NamedValues& names) {
  const auto running = names.find("it.running_batch"), batch = names.find("it.load.batch");
  if (running == names.end() || batch == names.end() || running->second >= batch->second || running->second < 1) {
    return "";
  }
  const std::string all = shortage("it", names);
  return fmt::format("memory holds {} of the batch's {} requests at once{}", count_text(running->second),
                     count_text(batch->second), all.empty() ? "" : "; all of them need" + all.substr(1));
}

void add_class(ReproductionScores::Class& scores, const std::vector<double>& errors) {
  if (!errors.empty()) {
    scores.median = median(errors);
    scores.worst = *std::max_element(errors.begin(), errors.end());
  }
}

}  // namespace

Reproduction reproduce(const Study& study, const StudyRunner& run) {
  Reproduction result{study, {}};
  NamedValues names;
  for (const auto& [name, config] : study.values) {
    if (!is_name(name)) {
      config.fail("the name of a value must be letters, digits and '_'");
    }
    names[name] = value_of(config, names);
  }
  for (const StudyRun& one : study.runs) {
    if (!is_name(one.name)) {
      one.origin.fail("the name of a run must be letters, digits and '_'");
    }
    add(names, one.name, run(one));
  }
  std::map<std::string, std::string> unfit;  // rows without a prediction, and why
  for (const StudyRow& row : study.rows) {
    NamedValues seen = names;
    if (row.run) {
      add(seen, "it", run(*row.run));
    }
    ReproducedRow reproduced{row, 0, 0, false, part_of_batch(seen), {}};
    try {
      for (const auto& [id, reason] : unfit) {
        if (uses(row.formula, id)) {
          throw DoesNotFit(reason);
        }
      }
      reproduced.predicted = evaluated(row.origin, row.formula, seen);
      reproduced.error = error_of(row.published, reproduced.predicted);
      reproduced.within =
          row.target > 0 ? std::abs(reproduced.error) <= row.target : row.published.prints(reproduced.predicted);
      if (const std::string name = name_in_formulas(row); is_name(name)) {
        names[name] = reproduced.predicted;
      }
    } catch (const DoesNotFit& error) {
      reproduced.unfit = error.what();
      if (const std::string name = name_in_formulas(row); is_name(name)) {
        unfit.emplace(name, reproduced.unfit);
      }
    }
    result.rows.push_back(std::move(reproduced));
  }
  return result;
}

ReproductionScores reproduction_scores(const std::vector<Reproduction>& studies) {
  ReproductionScores scores;
  std::vector<double> errors[3];
  const std::array<ReproductionScores::Class*, 3> classes = {&scores.closed_form, &scores.measured, &scores.ratio};
  for (const Reproduction& study : studies) {
    for (const ReproducedRow& row : study.rows) {
      if (row.row.calibrated) {
        ++scores.calibrated;
        continue;
      }
      const auto kind = static_cast<std::size_t>(row.row.kind);
      if (row.unfit.empty()) {
        errors[kind].push_back(std::abs(row.error));
      }
      ++classes[kind]->rows;
      classes[kind]->within += row.within ? 1 : 0;
      ++scores.rows;
      scores.within += row.within ? 1 : 0;
    }
  }
  for (std::size_t i = 0; i < classes.size(); ++i) {
    add_class(*classes[i], errors[i]);
  }
  return scores;
}

}  // namespace moesaic
