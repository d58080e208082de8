#include "apps/progress_line.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <iostream>

namespace moesaic {

ProgressLine::ProgressLine(std::ostream& err) : err_(err), shown_(&err == &std::cerr && isatty(STDERR_FILENO) == 1) {}

ProgressLine::~ProgressLine() {
  if (shown_) {
    err_ << "\r\033[K" << std::flush;
  }
}

void ProgressLine::show(const MeasureProgress& progress) {
  if (shown_) {
    err_ << fmt::format("\r\033[K{:>3}/{} {}", progress.done, progress.total, progress.what) << std::flush;
  }
}

}  // namespace moesaic
