// How far a long measurement is, for those who wait.
#pragma once

#include <iosfwd>

#include "calibrate/measured_facts.hpp"

namespace moesaic {

/// One line that is written over and over, on a terminal; nothing elsewhere.
class ProgressLine {
 public:
  explicit ProgressLine(std::ostream& err);
  ~ProgressLine();
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;
  void show(const MeasureProgress& progress);

 private:
  std::ostream& err_;
  bool shown_;
};

}  // namespace moesaic
