// Published figures and how near our predictions must come.
#pragma once

#include <gtest/gtest.h>

#include <vector>

namespace moesaic {

/// One published figure. `tolerance` is relative; where it says the printed digits, half of the last one.
struct Row {
  const char* id;
  double published;
  double predicted;
  double tolerance;
};

inline double digits(double published, double last_digit) { return last_digit / 2 / published; }

inline void check(const std::vector<Row>& rows) {
  for (const Row& row : rows) {
    EXPECT_NEAR(row.predicted / row.published, 1, row.tolerance)
        << row.id << ": published " << row.published << ", predicted " << row.predicted;
  }
}

/// A figure that we do not reproduce: what was published, and what the counts here give. Asserts ours.
struct Deviation {
  const char* id;
  double published;
  double ours;
  double predicted;
};

inline void check(const std::vector<Deviation>& rows) {
  for (const Deviation& row : rows) {
    EXPECT_NEAR(row.predicted / row.ours, 1, 0.002)
        << row.id << ": published " << row.published << ", ours was " << row.ours << ", is " << row.predicted;
  }
}

}  // namespace moesaic
