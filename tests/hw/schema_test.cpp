// Every shipped machine fits configs/schema/machine.json, and the schema refuses what it should.
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "base/catalog.hpp"
#include "tests/schema/violation.hpp"

namespace moesaic {
namespace {

using Json = nlohmann::json;

Json load(const std::filesystem::path& file) { return Json::parse(std::ifstream(file)); }

std::string violation(const Json& document) { return moesaic::violation("machine.json", document.dump()); }

TEST(MachineSchema, EveryShippedMachineFits) {
  const auto entries = list_catalog("machines");
  EXPECT_GE(entries.size(), 52u);
  for (const CatalogEntry& entry : entries) {
    EXPECT_EQ(violation(load(entry.file)), "") << entry.file;
  }
}

TEST(MachineSchema, RefusesBrokenDocuments) {
  const Json good = load(find_in_catalog("machines", "machine", "h100-sxm").file);
  ASSERT_EQ(violation(good), "");
  const std::pair<const char*, Json> broken[] = {
      {"/memory/bandwidth", "3.35 TFLOP/s"},
      {"/memory/capacity", 80},
      {"/memory/bandwith", "1 TB/s"},
      {"/units/gpu/peak", Json::object()},
      {"/units/gpu/peak/fp9", "1 TFLOP/s"},
      {"/units", Json::object()},
      {"/scale_up/devices", 1},
      {"/power/max", "700"},
      {"/price", "2.50"},
      {"/kind", "gadget"},
      {"/host_link/latency", "4 GB"},
      {"/colour", "green"},
  };
  for (const auto& [pointer, value] : broken) {
    Json document = good;
    document[Json::json_pointer(pointer)] = value;
    EXPECT_NE(violation(document), "") << pointer;
  }
}

}  // namespace
}  // namespace moesaic
