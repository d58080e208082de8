// Where results go: standard output, or a file that appears whole or not at all.
#pragma once

#include <iosfwd>
#include <string>

namespace moesaic {

/// Writes to `file`, or to `out` when it is empty: through a temporary file beside it, or straight into a device or
/// pipe. Throws UserError, which names the option that the file was given with.
void write_result(const std::string& text, const std::string& file, std::ostream& out,
                  const std::string& option = "-o");

/// Finds before any work is done that a file cannot be written: it is a folder, or its folder does not exist. Throws
/// UserError. An empty name is fine.
void check_output(const std::string& option, const std::string& file);

}  // namespace moesaic
