// Parameters for tests that run over the whole machine catalog.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "base/catalog.hpp"
#include "hw/machine.hpp"

namespace moesaic {

/// Names of all shipped nodes and devices, which load_machine_config() accepts.
inline std::vector<std::string> every_machine() {
  std::vector<std::string> names;
  for (const MachineSummary& machine : list_machines()) {
    if (machine.kind != "host") {
      names.push_back(machine.name);
    }
  }
  return names;
}

inline Machine machine_named(const std::string& name) { return read_machine(load_machine_config(name)); }

inline FlopsPerSecond peak(const Unit& unit, DType dtype) { return unit.peak[static_cast<std::size_t>(dtype)]; }

/// A catalog name as a part of a test's name.
inline std::string test_name(std::string name) {
  std::replace_if(
      name.begin(), name.end(), [](char c) { return c == '-' || c == '/' || c == '.'; }, '_');
  return name;
}

inline std::string name_of_parameter(const testing::TestParamInfo<std::string>& info) { return test_name(info.param); }

}  // namespace moesaic
