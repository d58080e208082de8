// What people read of a published closed form that was evaluated.
#pragma once

#include <string>
#include <vector>

#include "base/quantity.hpp"
#include "reports/report.hpp"

namespace moesaic {

struct ClosedFormReport {
  struct Result {
    std::string key;   ///< in JSON, with its SI unit: "step_s"
    std::string what;  ///< for people
    double value = 0;
    std::string text;  ///< the value for people
  };
  std::string form;
  std::string subject;  ///< what it was evaluated for, one line; may be empty
  std::vector<Result> results;

  // Each adds a result. Throws UserError naming it if it is not finite.
  void add(const std::string& key, const std::string& what, double value);
  void add(const std::string& key, const std::string& what, Seconds value);
  void add(const std::string& key, const std::string& what, Bytes value);
  void add(const std::string& key, const std::string& what, BytesPerSecond value);
  void add(const std::string& key, const std::string& what, FlopsPerSecond value);
  void add(const std::string& key, const std::string& what, FlopsPerByte value);
  void add(const std::string& key, const std::string& what, PerSecond tokens);
  void add_share(const std::string& key, const std::string& what, double share);
  void add_truth(const std::string& key, const std::string& what, bool value);

 private:
  void keep(Result result);
};

std::string closed_form_text(const ClosedFormReport& report, const TextStyle& style);
/// The contract of configs/schema/closed_form.json.
std::string closed_form_json(const ClosedFormReport& report);

}  // namespace moesaic
