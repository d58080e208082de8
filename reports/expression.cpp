#include "reports/expression.hpp"

#include <fmt/format.h>
#include <muParser.h>

#include <cmath>
#include <vector>

#include "base/error.hpp"
#include "base/nearest.hpp"

namespace moesaic {
namespace {

/// The run whose number `name` would be, if it says that what it predicts does not fit: then it has no times.
std::string unfit_run(std::string_view name, const NamedValues& names) {
  for (std::size_t dot = name.find('.'); dot != std::string_view::npos; dot = name.find('.', dot + 1)) {
    const auto fits = names.find(std::string(name.substr(0, dot)) + ".fits");
    if (fits != names.end() && fits->second == 0) {
      return std::string(name.substr(0, dot));
    }
  }
  return "";
}

}  // namespace

double evaluate_expression(const std::string& text, const NamedValues& names) {
  try {
    mu::Parser parser;
    parser.DefineNameChars("0123456789_.abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ");
    for (const auto& [name, value] : names) {
      parser.DefineConst(name, value);
    }
    parser.SetExpr(text);
    const double value = parser.Eval();
    if (!std::isfinite(value)) {
      throw UserError(fmt::format("\"{}\" is not a finite number", printable(text)));
    }
    return value;
  } catch (const mu::Parser::exception_type& error) {
    if (error.GetCode() == mu::ecUNASSIGNABLE_TOKEN && !error.GetToken().empty()) {
      if (const std::string run = unfit_run(error.GetToken(), names); !run.empty()) {
        throw UserError(
            fmt::format("\"{}\": '{}' has no times, as what it predicts does not fit into memory; moesaic "
                        "predict with its options says by how much",
                        printable(text), printable(run)));
      }
      std::vector<std::string> known;
      for (const auto& [name, value] : names) {
        known.push_back(name);
      }
      throw UserError(fmt::format("\"{}\": unknown name '{}'{}", printable(text), printable(error.GetToken()),
                                  suggest(error.GetToken(), known)));
    }
    throw UserError(fmt::format("\"{}\" is no expression: {}", printable(text), printable(error.GetMsg())));
  }
}

}  // namespace moesaic
