// Arithmetic that a user wrote: "61 * layer.total_s", "max(a, b) / 2".
#pragma once

#include <map>
#include <string>

#include "base/error.hpp"

namespace moesaic {

/// A number of a prediction that has none, as what it predicts does not fit into memory. what() says by how much.
class DoesNotFit : public UserError {
 public:
  using UserError::UserError;
};

/// Names are letters, digits, '_' and '.'.
using NamedValues = std::map<std::string, double, std::less<>>;

/// What the memories of the prediction `run` lack (": 30 GB of 24 GB per device"), "" if they do not or it does not
/// say.
std::string shortage(const std::string& run, const NamedValues& names);

/// + - * / ^, parentheses, comparisons, a ? b : c, and the usual functions (min, max, sqrt, log, exp, rint, ...).
/// Throws UserError for what is no expression, a name that is not known (with the nearest), and a result that is no
/// number; DoesNotFit where the number is one of a run (NAME.path) whose NAME.fits is 0.
double evaluate_expression(const std::string& text, const NamedValues& names);

}  // namespace moesaic
