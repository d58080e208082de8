// The figures that a closed form is evaluated for, as typed on the command line.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "base/quantity_text.hpp"
#include "model/offload/alike_layers.hpp"

namespace moesaic {

/// Every read marks its option as one that the form takes. All functions throw UserError, which names the option.
class ClosedFormInput {
 public:
  /// `given`: text by option, without "--".
  ClosedFormInput(std::string form, std::map<std::string, std::string> given)
      : form_(std::move(form)), given_(std::move(given)) {}

  bool has(const std::string& key) const;
  const std::string& form() const { return form_; }

  double number(const std::string& key, double least, double most) const;
  double number_or(const std::string& key, double fallback, double least, double most) const;
  std::optional<double> number_if(const std::string& key, double least, double most) const;
  /// A whole number from 1.
  double count(const std::string& key, double most = 1e12) const;
  double count_or(const std::string& key, double fallback, double most = 1e12) const;
  /// "0.25" or "25%".
  double share_or(const std::string& key, double fallback) const;
  /// Percents separated by commas.
  std::vector<double> percents(const std::string& key) const;
  std::string choice_or(const std::string& key, const std::vector<std::string>& allowed) const;  ///< default: the first
  bool flag(const std::string& key) const { return has(key); }

  /// More than zero.
  template <class Q>
  Q quantity(const std::string& key) const {
    const Q value = parsed<Q>(key);
    if (value.value <= 0) {
      throw UserError("--" + key + ": must be more than zero");
    }
    return value;
  }
  template <class Q>
  Q quantity_or(const std::string& key, Q fallback) const {
    return has(key) ? parsed<Q>(key) : fallback;
  }
  template <class Q>
  std::optional<Q> quantity_if(const std::string& key) const {
    return has(key) ? std::optional(quantity<Q>(key)) : std::nullopt;
  }

  /// The model of --model, with what its other options give instead.
  AlikeLayers model() const;
  /// 16-bit weights: of --weights, or of --model as it is stored.
  Bytes weights() const;
  std::string model_name() const;  ///< for people; empty if none is named

  /// Throws for an option that the form never asked for.
  void reject_unused() const;

 private:
  std::string text(const std::string& key) const;  ///< throws if it is not given
  template <class Q>
  Q parsed(const std::string& key) const {
    const std::string typed = text(key);
    try {
      return parse_quantity<Q>(typed);
    } catch (const UserError& error) {
      throw UserError("--" + key + ": " + error.what());
    }
  }

  std::string form_;
  std::map<std::string, std::string> given_;
  mutable std::vector<std::string> asked_;
};

}  // namespace moesaic
