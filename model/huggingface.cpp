#include <fmt/format.h>

#include <filesystem>

#include "base/catalog.hpp"
#include "base/error.hpp"
#include "base/nearest.hpp"
#include "model/architecture.hpp"
#include "model/huggingface_common.hpp"

namespace moesaic {
namespace {

using huggingface::Family;

std::vector<Family> all_families() {
  std::vector<Family> all;
  for (const auto group : {huggingface::dense_families(), huggingface::moe_families(), huggingface::hybrid_families(),
                           huggingface::own_name_families()}) {
    all.insert(all.end(), group.begin(), group.end());
  }
  return all;
}

Family find_family(const Config& config) {
  const std::vector<Family> families = all_families();
  const auto type = config.find("model_type");
  if (!type) {
    for (const Family& family : families) {
      if (!family.marker.empty() && config.has(family.marker)) {
        return family;
      }
    }
  }
  const Config found = config.at("model_type");
  const std::string wanted = found.string();
  std::vector<std::string> known;
  for (const Family& family : families) {
    if (family.model_type == wanted && !wanted.empty()) {
      return family;
    }
    if (!family.model_type.empty()) {
      known.emplace_back(family.model_type);
    }
  }
  found.fail(fmt::format("unknown model_type '{}'{}", printable(wanted), suggest(wanted, known)));
}

// "org--model.json" is org/model; ".../model/config.json" is model.
std::string name_of(const std::string& origin) {
  const std::filesystem::path file(origin);
  std::string name = file.stem().string();
  if (name == "config" && file.has_parent_path()) {
    name = file.parent_path().filename().string();
  }
  for (std::size_t at = name.find("--"); at != std::string::npos; at = name.find("--", at)) {
    name = fmt::format("{}/{}", name.substr(0, at), name.substr(at + 2));
  }
  return name;
}

}  // namespace

Architecture read_architecture(const Config& config) {
  Architecture architecture = find_family(config).read(config);
  architecture.name = name_of(config.origin());
  architecture.precision =
      huggingface::read_precision(config, config.find("text_config").value_or(config), architecture.layer_count());
  huggingface::ignore_harmless(config);
  config.reject_unknown();
  architecture.blocks = fold_layers(architecture.layers);
  return architecture;
}

Config load_model_config(const std::string& name_or_file) {
  return Config::load(find_in_catalog("models", "model", name_or_file).file);
}

}  // namespace moesaic
