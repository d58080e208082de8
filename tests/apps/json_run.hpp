// A command run for its JSON, which keeps to its schema.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "tests/apps/run.hpp"
#include "tests/schema/violation.hpp"

namespace moesaic {

/// `line` without "--format json"; `schema`: a file of configs/schema.
inline nlohmann::json json_of(const std::string& line, const std::string& schema) {
  const Ran ran = run_line(line + " --format json");
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_EQ(violation(schema, ran.out), "") << line;
  return nlohmann::json::parse(ran.out);
}

}  // namespace moesaic
