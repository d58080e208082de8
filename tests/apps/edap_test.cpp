// moesaic edap as a user types it.
#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/apps/json_run.hpp"

namespace moesaic {
namespace {

using Json = nlohmann::json;

TEST(EdapCommand, TheWorstIsOneAndTheBestIsSmallest) {
  const Json json = json_of("edap --machine bank-pim-4,duplex,bank-group-pim --intensity 1,8,32", "edap.json");
  ASSERT_EQ(json["units"].size(), 3u);
  for (std::size_t i = 0; i < 3; ++i) {
    double worst = 0, least = 2, best = 0;
    for (const Json& unit : json["units"]) {
      const Json& point = unit["points"][i];
      worst = std::max(worst, point["relative"].get<double>());
      least = std::min(least, point["relative"].get<double>());
      if (point["best"].get<bool>()) {
        best += point["relative"].get<double>();
      }
      const double product = point["joules_per_byte"].get<double>() * point["seconds_per_byte"].get<double>() *
                             unit["counted_mm2"].get<double>() * 1e-6;
      EXPECT_NEAR(point["product"].get<double>() / product, 1, 1e-9);
    }
    EXPECT_DOUBLE_EQ(worst, 1);
    EXPECT_DOUBLE_EQ(least, best);
  }
}

// Duplex, arXiv:2409.01141, figure 8: banks win up to 4 operations a byte, Logic-PIM from 8 on, bank groups never.
TEST(EdapCommand, WinnersAsPublished) {
  const Json json = json_of("edap", "edap.json");
  const Json &bank = json["units"][0]["points"], &group = json["units"][1]["points"],
             &logic = json["units"][2]["points"];
  for (std::size_t i = 0; i < 6; ++i) {
    EXPECT_EQ(bank[i]["best"].get<bool>(), i < 3) << i;
    EXPECT_FALSE(group[i]["best"].get<bool>()) << i;
    EXPECT_EQ(logic[i]["best"].get<bool>(), i >= 3) << i;
  }
}

// AttAcc's banks are in stacks of their own: five of nine dies of 121 mm2, and what is added to them.
TEST(EdapCommand, AUnitApartCountsItsOwnMemory) {
  const Json unit = json_of("edap --machine attacc", "edap.json")["units"][0];
  EXPECT_NEAR(unit["counted_mm2"].get<double>(), 5 * 9 * 121 + 5 * (8 * 13.12 + 1.40), 1e-6);
}

TEST(EdapCommand, ThePageHasACurveForEachUnit) {
  const Ran ran = run_line("edap --format html --machine duplex,bank-pim");
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_NE(ran.out.find("<svg"), std::string::npos);
  EXPECT_NE(ran.out.find("duplex at 8.00 FLOP/B"), std::string::npos);
  EXPECT_NE(ran.out.find("bank-pim at 8.00 FLOP/B"), std::string::npos);
}

TEST(EdapCommand, Mistakes) {
  expect_mistake("edap --machine duplx", {"--machine", "duplex"});
  expect_mistake("edap --machine h100-sxm", {"--machine", "h100-sxm", "area", "duplex"});
  expect_mistake("edap --intensity 0", {"--intensity", "0.001 to 1"});
  expect_mistake("edap --intensity four", {"--intensity"});
  expect_mistake("edap --area die", {"--area", "unit"});
}

}  // namespace
}  // namespace moesaic
