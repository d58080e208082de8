// Names of files that no other process of the tests has: they run side by side, and several checkouts do.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <string>

namespace moesaic {

inline std::string temporary_file(const std::string& name) {
  return testing::TempDir() + "moesaic-" + std::to_string(getpid()) + "-" + name;
}

}  // namespace moesaic
