// A stream of requests as text and as JSON (configs/schema/stream.json).
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

}  // namespace moesaic
