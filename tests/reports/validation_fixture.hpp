// A judgement made by hand, so that reports are tested without a fit.
#pragma once

#include "reports/validation.hpp"

namespace moesaic::fixture {

/// Measurements and what was predicted for them.
struct Judged {
  Measurements measurements;
  Judgement judgement;
  std::size_t seen_rows = 0;
  Validation validation() const { return {measurements, judgement, {"data"}, seen_rows}; }
};

/// Five rows of one GEMM kernel, of which 4 us were measured and 3, 4, 4.2, 4.4 and 6 us predicted; two rows of
/// experts, balanced and skewed; three rows were not judged.
Judged few_rows();
/// Two devices, three kinds, two modes; `rows` of each.
Judged many_rows(std::size_t rows);

}  // namespace moesaic::fixture
