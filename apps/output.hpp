// Where results go: standard output, or a file that appears whole or not at all.
#pragma once

#include <iosfwd>
#include <string>

namespace moesaic {

/// Writes to `file` through a temporary file beside it, or to `out` when `file` is empty. Throws UserError.
void write_result(const std::string& text, const std::string& file, std::ostream& out);

}  // namespace moesaic
