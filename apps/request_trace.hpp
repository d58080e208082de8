// Lengths of requests from a file.
#pragma once

#include <filesystem>
#include <vector>

#include "sim/requests.hpp"

namespace moesaic {

/// A CSV file with a header that has the columns "input" and "output" (or those of the Azure traces, "ContextTokens"
/// and "GeneratedTokens"), others unread; or JSON: {"requests": [{"input": 512, "output": 128}, ...]}. Throws
/// UserError, which names file and line.
std::vector<RequestLengths> read_request_trace(const std::filesystem::path& file);

}  // namespace moesaic
