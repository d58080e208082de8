#include "apps/models.hpp"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>
#include <vector>

#include "base/catalog.hpp"
#include "base/error.hpp"
#include "model/accounting.hpp"
#include "model/architecture.hpp"

namespace moesaic {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::int64_t kLongestSequence = std::int64_t{1} << 32;

struct Counts {
  std::string name;
  ParameterCount parameters;
  std::int64_t layers = 0;
  Bytes kv;        ///< of a token
  Flops training;  ///< of a token
};

Counts count(const std::string& name, const Architecture& architecture, const ModelsOptions& options) {
  return {.name = name,
          .parameters = count_parameters(architecture),
          .layers = architecture.layer_count(),
          .kv = architecture.precision.kv.bytes(kv_elements_per_token(architecture)),
          .training =
              training_flops_per_token(architecture, options.sequence, {.causal_attention = !options.full_attention})};
}

std::vector<Counts> count_all(const ModelsOptions& options) {
  if (!options.model.empty()) {
    const Architecture architecture = read_architecture(load_model_config(options.model));
    return {count(architecture.name, architecture, options)};
  }
  std::vector<Counts> all;
  for (const CatalogEntry& entry : list_catalog("models")) {
    all.push_back(count(entry.name, read_architecture(load_model_config(entry.file.string())), options));
  }
  return all;
}

std::string text(const std::vector<Counts>& all) {
  std::string lines = fmt::format("{:<46} {:>9} {:>9} {:>7} {:>14} {:>14}\n", "model", "total", "active", "layers",
                                  "KV bytes/token", "train F/token");
  for (const Counts& of : all) {
    lines += fmt::format("{:<46} {:>8.4g}B {:>8.4g}B {:>7} {:>14.0f} {:>13.4g}G\n", printable(of.name),
                         of.parameters.total / 1e9, of.parameters.active / 1e9, of.layers, of.kv.value,
                         of.training.value / 1e9);
  }
  return lines;
}

std::string json(const std::vector<Counts>& all, const ModelsOptions& options) {
  Json models = Json::array();
  for (const Counts& of : all) {
    models.push_back({{"name", of.name},
                      {"parameters", of.parameters.total},
                      {"active_parameters", of.parameters.active},
                      {"layers", of.layers},
                      {"kv_bytes_per_token", of.kv.value},
                      {"training_flops_per_token", of.training.value}});
  }
  const Json result = {{"version", "1"},
                       {"sequence", options.sequence},
                       {"attention", options.full_attention ? "full" : "causal"},
                       {"models", models}};
  return result.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace

void add_models_options(CLI::App& command, ModelsOptions& options) {
  command.add_option("--model", options.model, "Only this model")->type_name("NAME|FILE");
  command.add_option("--sequence", options.sequence, "Tokens of a training sequence (default 4096)")->type_name("N");
  command.add_flag("--full-attention", options.full_attention,
                   "Count attention over the full square, not the causal half, in training");
  command.add_option("--format", options.format, "Output: text or json")
      ->check(CLI::IsMember({"text", "json"}))
      ->type_name("FORMAT");
}

std::string models_result(const ModelsOptions& options) {
  if (options.sequence < 1 || options.sequence > kLongestSequence) {
    throw UserError(fmt::format("--sequence: found {}, allowed are 1 to {}", options.sequence, kLongestSequence));
  }
  const std::vector<Counts> all = count_all(options);
  return options.format == "json" ? json(all, options) : text(all);
}

}  // namespace moesaic
