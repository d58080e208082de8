// What people read of units' energy x delay x area over arithmetic intensity.
#pragma once

#include <string>
#include <vector>

#include "model/edap.hpp"
#include "reports/report.hpp"

namespace moesaic {

struct EdapReport {
  struct Curve {
    std::string name;  ///< the machine's, and the unit's where others of it are shown too
    std::string machine;
    Unit unit;
    Memory memory;
    std::vector<Edap> points;  ///< one for each intensity
  };
  CountedArea counted = CountedArea::memory;
  std::vector<FlopsPerByte> intensities;
  std::vector<Curve> curves;

  /// Of the curve, over the worst of all curves at that intensity: above 0, at most 1.
  double relative(std::size_t curve, std::size_t intensity) const;
  std::size_t best(std::size_t intensity) const;  ///< the curve with the smallest product; the first of equal ones
};

/// All units of the machines whose files say their area. Throws UserError for a machine without one, or whose file says
/// too little of it.
EdapReport report_edap(const std::vector<Machine>& machines, const std::vector<FlopsPerByte>& intensities,
                       CountedArea counted);
std::string edap_text(const EdapReport& report, const TextStyle& style);
/// The contract of configs/schema/edap.json.
std::string edap_json(const EdapReport& report);
std::string edap_page(const EdapReport& report, const std::string& command);

}  // namespace moesaic
