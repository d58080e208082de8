// A stream of requests as text, as JSON (configs/schema/stream.json) and as a page.
#pragma once

#include <string>

#include "reports/deployed.hpp"
#include "reports/report.hpp"
#include "sim/request_stream.hpp"

namespace moesaic {

struct StreamReport {
  Deployed deployed;
  RequestStream stream;
  StreamPrediction prediction;
};

std::string stream_text(const StreamReport& report, const TextStyle& style);
std::string stream_json(const StreamReport& report);
/// `command`: that made it; may be empty.
std::string stream_page(const StreamReport& report, const std::string& command);

}  // namespace moesaic
