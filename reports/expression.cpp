#include "reports/expression.hpp"

#include <fmt/format.h>
#include <muParser.h>

#include <cmath>
#include <vector>

#include "base/nearest.hpp"
#include "base/quantity_text.hpp"

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

std::string shortage(const std::string& run, const NamedValues& names) {
  struct Place {
    const char* path;
    const char* words;
  };
  std::string text;
  for (const Place& one : {Place{".memory", "per device"}, Place{".memory.host", "on the host"},
                           Place{".memory.storage", "on its storage"}}) {
    const auto total = names.find(run + one.path + ".total"), capacity = names.find(run + one.path + ".capacity");
    if (total != names.end() && capacity != names.end() && total->second > capacity->second) {
      text += fmt::format("{} {} of {} {}", text.empty() ? ":" : " and", to_text(Bytes{total->second}),
                          to_text(Bytes{capacity->second}), one.words);
    }
  }
  return text;
}

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
        throw DoesNotFit(
            fmt::format("what '{}' predicts does not fit into memory{}", printable(run), shortage(run, names)));
      }
      std::vector<std::string> known;
      const bool of_run = error.GetToken().find('.') != std::string::npos;
      for (const auto& [name, value] : names) {
        if (of_run == (name.find('.') != std::string::npos)) {
          known.push_back(name);
        }
      }
      throw UserError(fmt::format("\"{}\": unknown name '{}'{}", printable(text), printable(error.GetToken()),
                                  suggest(error.GetToken(), known)));
    }
    throw UserError(fmt::format("\"{}\" is no expression: {}", printable(text), printable(error.GetMsg())));
  }
}

}  // namespace moesaic
