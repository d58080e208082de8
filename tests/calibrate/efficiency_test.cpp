// Mistakes in a profile: one line each, with the file, the path and what is allowed.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <string>
#include <vector>

#include "base/catalog.hpp"
#include "calibrate/cost_model.hpp"
#include "tests/user_error.hpp"

namespace moesaic {
namespace {

Config shipped() { return Config::load(find_in_catalog("profiles", "profile", "default").file); }

/// The shipped profile with every occurrence of `from` in its text replaced.
Config edited(const std::string& from, const std::string& to) {
  std::string text = shipped().dump();
  auto at = text.find(from);
  EXPECT_NE(at, text.npos) << from;
  for (; at != text.npos; at = text.find(from, at + to.size())) {
    text.replace(at, from.size(), to);
  }
  return Config::parse(text, "mine.json");
}

TEST(Profile, ShippedOnesLoad) {
  const Machine machine = read_machine(load_machine_config("dgx-h100"));
  for (const CatalogEntry& entry : list_catalog("profiles")) {
    EXPECT_FALSE(load_cost_model(entry.file.string(), machine)->name().empty()) << entry.name;
  }
}

TEST(Profile, NamesAWrongFigure) {
  const struct {
    const char* path;
    const char* value;
    std::vector<std::string> says;
  } mistakes[] = {
      {"kernels.projection.compute", "0", {"above 0 and at most 1"}},
      {"kernels.projection.compute", "1.01", {"above 0 and at most 1"}},
      {"kernels.experts.memory", "-0.5", {"above 0 and at most 1"}},
      {"kernels.experts.memory", "\"80%\"", {"number"}},
      {"kernels.norm.launches", "-1", {"must not be negative"}},
      {"kernels.norm.launches", "\"one\"", {"number"}},
      {"kernels.norm", "0.5", {"object"}},
      {"kernels", "[]", {"object"}},
      {"host_kernels.memory", "2", {"above 0 and at most 1"}},
      {"collective.link", "0", {"above 0 and at most 1"}},
      {"transfer.link", "1.5", {"above 0 and at most 1"}},
      {"step_overhead", "300", {"with its unit"}},
      {"step_overhead", "300 GB", {"300 GB", "4 us"}},
      {"step_overhead", "-1 us", {"-1 us"}},
      {"memory_reserve", "1", {"at least 0 and below 1"}},
      {"memory_reserve", "-0.1", {"at least 0 and below 1"}},
      {"spread", "-0.1", {"not be negative"}},
      {"name", "7", {"string"}},
  };
  for (const auto& mistake : mistakes) {
    const std::string message =
        user_error([&] { return efficiency_cost_model(shipped().set(mistake.path, mistake.value)); });
    EXPECT_NE(message.find(mistake.path), message.npos) << message;
    for (const std::string& part : mistake.says) {
      EXPECT_NE(message.find(part), message.npos) << message << "\n  lacks: " << part;
    }
  }
}

TEST(Profile, NamesAMissingOrUnknownKey) {
  const struct {
    const char* from;
    const char* to;
    std::vector<std::string> says;
  } mistakes[] = {
      {"\"state_update\": {", "\"state_updates\": {", {"mine.json", "kernels", "state_update"}},
      {"\"attention_decode\": {", "\"attention\": {", {"mine.json", "kernels", "attention_decode"}},
      {"\"collective\": {", "\"collectives\": {", {"collective"}},
      {"\"step_overhead\"", "\"overhead\"", {"step_overhead"}},
      {"\"memory_reserve\"", "\"reserve\"", {"memory_reserve"}},
      {"\"version\": 1", "\"versoin\": 1", {"versoin"}},
      {"\"spread\": 0.25", "\"spread\": 0.25, \"spreads\": 1", {"spreads", "did you mean 'spread'"}},
      {"\"launches\": 2", "\"launches\": 2, \"launch\": 2", {"kernels.attention_decode.launch", "launches"}},
      {"\"name\": \"default efficiencies\",", "", {"name"}},
  };
  for (const auto& mistake : mistakes) {
    const std::string message = user_error([&] { return efficiency_cost_model(edited(mistake.from, mistake.to)); });
    EXPECT_EQ(message.rfind("mine.json", 0), 0U) << message;
    for (const std::string& part : mistake.says) {
      EXPECT_NE(message.find(part), message.npos) << message << "\n  lacks: " << part;
    }
  }
}

// Any fraction in (0, 1] loads; any number outside does not.
RC_GTEST_PROP(ProfileProperty, FractionsAreAboveZeroAndAtMostOne, ()) {
  const double value = *rc::gen::inRange(-1'000'000, 2'000'000) * 1e-6;
  const auto path = *rc::gen::element<std::string>("kernels.head.compute", "kernels.sampling.memory",
                                                   "host_kernels.compute", "collective.link", "transfer.link");
  bool loaded = true;
  try {
    efficiency_cost_model(shipped().set(path, std::to_string(value)));
  } catch (const UserError&) {
    loaded = false;
  }
  RC_ASSERT(loaded == (value > 0 && value <= 1));
}

}  // namespace
}  // namespace moesaic
