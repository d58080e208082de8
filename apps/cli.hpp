// The moesaic command line, callable in-process.
#pragma once

#include <iosfwd>
#include <string>
#include <vector>

namespace moesaic {

/// Runs one command ("predict", "compare", ...). Results go to `out`, errors to `err` as one line. `terminal`: `out` is
/// a terminal that shows colours and Unicode. Returns the exit code: 0, or 2 for a mistake in the arguments or files.
int run_cli(const std::vector<std::string>& arguments, std::ostream& out, std::ostream& err, bool terminal);

}  // namespace moesaic
