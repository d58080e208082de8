// What people read of a stacked memory's access paths.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "hw/dram/closed_form.hpp"
#include "reports/report.hpp"

namespace moesaic {

struct DramReport {
  struct Row {
    AccessPath path;
    BytesPerSecond nominal;
    StreamResult stream;                 ///< command by command
    std::optional<Seconds> closed_form;  ///< an update has none
  };
  Dram dram;
  Bytes bytes;
  StreamKind kind = StreamKind::read;
  std::vector<Row> rows;
};

DramReport report_dram(const Dram& dram, const std::vector<AccessPath>& paths, Bytes bytes, StreamKind kind);
std::string dram_text(const DramReport& report, const TextStyle& style);
/// The contract of configs/schema/dram.json.
std::string dram_json(const DramReport& report);

}  // namespace moesaic
