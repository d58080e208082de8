#include "apps/closed_form_input.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "base/nearest.hpp"

namespace moesaic {
namespace {

double plain_number(const std::string& key, std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(value)) {
    throw UserError(fmt::format("--{}: found '{}', a plain number is needed", key, printable(text)));
  }
  return value;
}

double in_range(const std::string& key, double value, double least, double most) {
  if (!(value >= least && value <= most)) {
    throw UserError(fmt::format("--{}: found {}, allowed are {} to {}", key, value, least, most));
  }
  return value;
}

constexpr double kMost = 1e9;  // of a model's widths and counts

}  // namespace

bool ClosedFormInput::has(const std::string& key) const {
  asked_.push_back(key);
  return given_.contains(key);
}

std::string ClosedFormInput::text(const std::string& key) const {
  if (!has(key)) {
    throw UserError(fmt::format("closed-form {} needs --{}", form_, key));
  }
  return given_.at(key);
}

double ClosedFormInput::number(const std::string& key, double least, double most) const {
  return in_range(key, plain_number(key, text(key)), least, most);
}

double ClosedFormInput::number_or(const std::string& key, double fallback, double least, double most) const {
  return has(key) ? number(key, least, most) : fallback;
}

std::optional<double> ClosedFormInput::number_if(const std::string& key, double least, double most) const {
  return has(key) ? std::optional(number(key, least, most)) : std::nullopt;
}

double ClosedFormInput::count(const std::string& key, double most) const {
  const double value = number(key, 1, most);
  if (value != std::floor(value)) {
    throw UserError(fmt::format("--{}: found {}, a whole number is needed", key, value));
  }
  return value;
}

double ClosedFormInput::count_or(const std::string& key, double fallback, double most) const {
  return has(key) ? count(key, most) : fallback;
}

double ClosedFormInput::share_or(const std::string& key, double fallback) const {
  if (!has(key)) {
    return fallback;
  }
  const std::string typed = given_.at(key);
  if (typed.ends_with('%')) {
    return in_range(key, plain_number(key, std::string_view(typed).substr(0, typed.size() - 1)), 0, 100) / 100;
  }
  return in_range(key, plain_number(key, typed), 0, 1);
}

std::vector<double> ClosedFormInput::percents(const std::string& key) const {
  const std::string typed = text(key);
  std::vector<double> percents;
  for (std::size_t at = 0; at <= typed.size();) {
    const std::size_t comma = std::min(typed.find(',', at), typed.size());
    percents.push_back(in_range(key, plain_number(key, std::string_view(typed).substr(at, comma - at)), 0, 100));
    at = comma + 1;
  }
  return percents;
}

std::string ClosedFormInput::choice_or(const std::string& key, const std::vector<std::string>& allowed) const {
  if (!has(key)) {
    return allowed.front();
  }
  const std::string& typed = given_.at(key);
  if (std::find(allowed.begin(), allowed.end(), typed) == allowed.end()) {
    throw UserError(fmt::format("--{}: unknown '{}'{}", key, printable(typed), suggest(typed, allowed)));
  }
  return typed;
}

AlikeLayers ClosedFormInput::model() const {
  const bool named = has("model");
  AlikeLayers model;
  if (named) {
    model = alike_layers(read_architecture(load_model_config(given_.at("model"))));
  }
  const auto set = [&](const char* key, double& value, double fallback) {
    value = has(key) ? count(key, kMost) : named ? value : fallback > 0 ? fallback : count(key, kMost);
  };
  set("layers", model.layers, 0);
  set("hidden", model.hidden, 0);
  set("heads", model.heads, 0);
  set("kv-heads", model.kv_heads, model.heads);
  set("head-dim", model.head_dim, model.hidden / model.heads);
  set("width", model.width, 0);
  set("experts", model.experts, 1);
  set("top-k", model.experts_per_token, 1);
  set("matrices", model.matrices, 3);
  if (model.experts_per_token > model.experts) {
    throw UserError(fmt::format("--top-k: found {}, of {} experts a token cannot use more", model.experts_per_token,
                                model.experts));
  }
  if (model.kv_heads > model.heads) {
    throw UserError(fmt::format("--kv-heads: found {}, there are {} heads", model.kv_heads, model.heads));
  }
  return model;
}

Bytes ClosedFormInput::weights() const {
  if (has("weights") || !has("model")) {
    return quantity<Bytes>("weights");
  }
  const Architecture architecture = read_architecture(load_model_config(given_.at("model")));
  return weight_bytes(architecture, architecture.precision);
}

std::string ClosedFormInput::model_name() const {
  return has("model") ? read_architecture(load_model_config(given_.at("model"))).name : std::string();
}

void ClosedFormInput::reject_unused() const {
  for (const auto& [key, typed] : given_) {
    if (std::find(asked_.begin(), asked_.end(), key) == asked_.end()) {
      std::vector<std::string> taken = asked_;
      std::sort(taken.begin(), taken.end());
      taken.erase(std::unique(taken.begin(), taken.end()), taken.end());
      throw UserError(fmt::format("--{}: {} has no such figure{}", key, form_, suggest(key, taken)));
    }
  }
}

}  // namespace moesaic
