// moesaic models: the catalog of models, and the counts of one.
#pragma once

#include <cstdint>
#include <string>

namespace CLI {
class App;
}

namespace moesaic {

struct ModelsOptions {
  std::string model;  ///< empty: all
  std::int64_t sequence = 4096;
  bool full_attention = false;
  std::string format = "text";
};

void add_models_options(CLI::App& command, ModelsOptions& options);
/// Throws UserError. JSON is the contract of configs/schema/models.json.
std::string models_result(const ModelsOptions& options);

}  // namespace moesaic
