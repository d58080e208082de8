// Runs the command line in-process and keeps what it printed.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
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

/// A mistake of the user: exit code 2, nothing on standard output, one line that mentions all of these.
inline void expect_mistake(const std::string& line, const std::vector<const char*>& mentions) {
  const Ran ran = run_line(line);
  EXPECT_EQ(ran.code, 2) << line;
  EXPECT_EQ(ran.out, "") << line;
  EXPECT_EQ(std::count(ran.err.begin(), ran.err.end(), '\n'), 1) << ran.err;
  for (const char* word : mentions) {
    EXPECT_NE(ran.err.find(word), std::string::npos) << line << "\n  said: " << ran.err << "  without: " << word;
  }
}

/// A folder of this test's own, empty.
inline std::string fresh_folder() {
  const auto* info = testing::UnitTest::GetInstance()->current_test_info();
  const std::string folder = testing::TempDir() + "moesaic-" + info->test_suite_name() + "-" + info->name();
  return folder;
}

}  // namespace moesaic
