// Runs the command line in-process and keeps what it printed.
#pragma once

#include <gtest/gtest.h>

#include <sstream>
#include <string>
#include <vector>

#include "apps/cli.hpp"

namespace moesaic {

struct Ran {
  int code = 0;
  std::string out;
  std::string err;
};

inline Ran run(const std::vector<std::string>& arguments, bool terminal = false) {
  std::ostringstream out, err;
  const int code = run_cli(arguments, out, err, terminal);
  return {code, out.str(), err.str()};
}

/// The words of a command as a shell would split them (no quoting).
inline std::vector<std::string> words(const std::string& line) {
  std::istringstream stream(line);
  std::vector<std::string> result;
  for (std::string word; stream >> word;) {
    result.push_back(word);
  }
  return result;
}

inline Ran run_line(const std::string& line) { return run(words(line)); }

/// A folder of this test's own, empty.
inline std::string fresh_folder() {
  const auto* info = testing::UnitTest::GetInstance()->current_test_info();
  const std::string folder = testing::TempDir() + "moesaic-" + info->test_suite_name() + "-" + info->name();
  return folder;
}

}  // namespace moesaic
