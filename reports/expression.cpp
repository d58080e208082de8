#include "reports/expression.hpp"

#include <fmt/format.h>
#include <muParser.h>

#include <cmath>
#include <vector>

#include "base/error.hpp"
#include "base/nearest.hpp"

namespace moesaic {

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
