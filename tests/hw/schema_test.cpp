// Every shipped machine fits configs/schema/machine.json, and the schema refuses what it should.
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <valijson/adapters/nlohmann_json_adapter.hpp>
#include <valijson/schema.hpp>
#include <valijson/schema_parser.hpp>
#include <valijson/validation_results.hpp>
#include <valijson/validator.hpp>

#include "base/catalog.hpp"

namespace moesaic {
namespace {

using Json = nlohmann::json;
using Adapter = valijson::adapters::NlohmannJsonAdapter;

Json load(const std::filesystem::path& file) { return Json::parse(std::ifstream(file)); }

class SchemaTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    const Json document = load(config_directory() / "schema" / "machine.json");
    valijson::SchemaParser(valijson::SchemaParser::kDraft7).populateSchema(Adapter(document), schema_);
  }

  // Empty if the document fits, else where it does not.
  static std::string violation(const Json& document) {
    valijson::ValidationResults results;
    if (valijson::Validator().validate(schema_, Adapter(document), &results)) {
      return "";
    }
    std::string text = "does not fit:";
    for (valijson::ValidationResults::Error error; results.popError(error);) {
      text += "\n ";
      for (const std::string& step : error.context) {
        text += step;
      }
      text += ": " + error.description;
    }
    return text;
  }

  static valijson::Schema schema_;
};

valijson::Schema SchemaTest::schema_;

TEST_F(SchemaTest, EveryShippedMachineFits) {
  const auto entries = list_catalog("machines");
  EXPECT_GE(entries.size(), 52u);
  for (const CatalogEntry& entry : entries) {
    EXPECT_EQ(violation(load(entry.file)), "") << entry.file;
  }
}

TEST_F(SchemaTest, RefusesBrokenDocuments) {
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
