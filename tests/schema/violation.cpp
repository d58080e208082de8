#include "tests/schema/violation.hpp"

#include <fstream>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <valijson/adapters/nlohmann_json_adapter.hpp>
#include <valijson/schema.hpp>
#include <valijson/schema_parser.hpp>
#include <valijson/validation_results.hpp>
#include <valijson/validator.hpp>

namespace moesaic {
namespace {

using Json = nlohmann::json;
using Adapter = valijson::adapters::NlohmannJsonAdapter;

Json read_schema(const std::string& file) { return Json::parse(std::ifstream(MOESAIC_SCHEMAS "/" + file)); }

std::unique_ptr<valijson::Schema> load_schema(const std::string& file) {
  const Json text = read_schema(file);
  auto schema = std::make_unique<valijson::Schema>();
  valijson::SchemaParser(valijson::SchemaParser::kDraft7)
      .populateSchema(
          Adapter(text), *schema, [](const std::string& uri) { return new Json(read_schema(uri)); },
          [](const Json* fetched) { delete fetched; });
  return schema;
}

}  // namespace

std::string violation(const std::string& schema_file, const std::string& document) {
  static std::map<std::string, std::unique_ptr<valijson::Schema>> schemas;
  std::unique_ptr<valijson::Schema>& schema = schemas[schema_file];
  if (!schema) {
    schema = load_schema(schema_file);
  }
  const Json target = Json::parse(document);
  valijson::ValidationResults results;
  if (valijson::Validator().validate(*schema, Adapter(target), &results)) {
    return "";
  }
  std::string errors;
  for (valijson::ValidationResults::Error error; results.popError(error);) {
    for (const std::string& step : error.context) {
      errors += step;
    }
    errors += ": " + error.description + '\n';
  }
  return errors;
}

}  // namespace moesaic
