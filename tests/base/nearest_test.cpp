#include "base/nearest.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace moesaic {
namespace {

using Names = std::vector<std::string>;

TEST(NearestName, FindsTheSlipOfTheFinger) {
  const Names keys = {"bandwidth", "capacity", "latency", "h100-sxm", "bf16"};
  const struct {
    const char* typed;
    const char* meant;
  } cases[] = {
      {"bandwith", "bandwidth"},    // a letter left out
      {"bandwidthh", "bandwidth"},  // one too many
      {"lantecy", "latency"},       // wrong order
      {"CAPACITY", "capacity"},     // case does not count
      {"bf61", "bf16"},             // a swap is one edit
      {"h10-sx", "h100-sxm"},
      {"h100", "h100-sxm"},  // the beginning of a long name
  };
  for (const auto& [typed, meant] : cases) {
    EXPECT_EQ(nearest_name(typed, keys), meant) << typed;
  }
}

TEST(NearestName, FindsNothingFarAway) {
  const Names keys = {"bandwidth", "capacity", "x"};
  for (const char* typed : {"", "frequency", "y", "bw", "cap-and-trade"}) {
    EXPECT_EQ(nearest_name(typed, keys), std::nullopt) << typed;
  }
  EXPECT_EQ(nearest_name("bandwidth", {}), std::nullopt);
}

TEST(NearestName, PrefersTheSmallestDistanceThenTheFirst) {
  EXPECT_EQ(nearest_name("int5", Names{"int44", "int4", "int8"}), "int4");
  EXPECT_EQ(nearest_name("fp8", Names{"fp8-block", "FP8"}), "FP8");
}

TEST(NearestName, IsQuickForHugeNames) {
  const std::string huge(4'000'000, 'a');
  EXPECT_EQ(nearest_name(huge, Names{"bandwidth", huge}), huge);
}

TEST(NearestName, FindsAMistypedPartOfALongName) {
  const Names models = {"mistralai/Mixtral-8x22B-Instruct", "mistralai/Mixtral-8x7B-v0.1", "Qwen/Qwen3-8B"};
  EXPECT_EQ(nearest_name("mixtrl", models), "mistralai/Mixtral-8x7B-v0.1");
  EXPECT_EQ(nearest_name("mixtral 8x22b", models), "mistralai/Mixtral-8x22B-Instruct");
  EXPECT_EQ(nearest_name("llama", models), std::nullopt);
}

TEST(Suggest, NamesTheNearestElseTheAllowed) {
  const Names keys = {"alpha", "beta"};
  EXPECT_EQ(suggest("alpa", keys), " (did you mean 'alpha'?)");
  EXPECT_EQ(suggest("zzzzzz", keys), "; allowed: alpha, beta");
  EXPECT_EQ(suggest("zzzzzz", {}), "");
}

TEST(Suggest, ListsNotTooMany) {
  Names keys;
  for (int i = 0; i < 30; ++i) {
    keys.push_back("key" + std::to_string(i));
  }
  const std::string text = suggest("zzzzzz", keys);
  EXPECT_TRUE(text.ends_with("key23 and 6 more")) << text;
}

}  // namespace
}  // namespace moesaic
