#include <fmt/format.h>

#include <charconv>

#include "base/config.hpp"
#include "base/config_document.hpp"
#include "base/error.hpp"
#include "base/json_text.hpp"
#include "base/nearest.hpp"

namespace moesaic {
namespace {

using Json = nlohmann::ordered_json;

// Follows the path of one --set through a document.
class Walk {
 public:
  Walk(std::string_view path, std::string_view origin) : path_(path), rest_(path), origin_(origin) {}

  Json& from(Json& root) {
    Json* value = &root;
    do {
      value = value->is_object() ? &member(*value) : value->is_array() ? &element(*value) : none(*value);
    } while (!done_);
    return *value;
  }

 private:
  // Keys may hold dots themselves, so the longest key that the path continues with is taken.
  Json& member(Json& object) {
    Json* best = nullptr;
    std::size_t length = 0;
    std::vector<std::string> keys;
    for (auto& [key, value] : object.items()) {
      keys.push_back(key);
      const bool fits = rest_.starts_with(key) && (rest_.size() == key.size() || rest_[key.size()] == '.');
      if (fits && (best == nullptr || key.size() > length)) {
        best = &value;
        length = key.size();
      }
    }
    if (best == nullptr) {
      const std::string_view wanted = rest_.substr(0, rest_.find('.'));
      fail(fmt::format("no such setting '{}' in {}{}", printable(wanted), here(), suggest(wanted, keys)));
    }
    advance(length);
    return *best;
  }

  Json& element(Json& array) {
    const std::string_view wanted = rest_.substr(0, rest_.find('.'));
    std::size_t index = 0;
    const auto [end, status] = std::from_chars(wanted.data(), wanted.data() + wanted.size(), index);
    if (wanted.empty() || status != std::errc{} || end != wanted.data() + wanted.size() || index >= array.size()) {
      const auto range = array.empty() ? "it is empty" : fmt::format("allowed: 0 to {}", array.size() - 1);
      fail(fmt::format("no such element '{}' in {}; {}", printable(wanted), here(), range));
    }
    advance(wanted.size());
    return array[index];
  }

  [[noreturn]] Json* none(const Json& value) {
    fail(fmt::format("no such setting '{}' in {}, which is a {}", printable(rest_), here(), value.type_name()));
  }

  void advance(std::size_t length) {
    done_ = rest_.size() == length;
    rest_.remove_prefix(done_ ? length : length + 1);
  }

  // What the path has reached, for messages.
  std::string here() const {
    const std::size_t passed = path_.size() - rest_.size();
    return passed == 0 ? printable(origin_, 400) : fmt::format("'{}'", printable(path_.substr(0, passed - 1), 300));
  }

  [[noreturn]] void fail(std::string_view message) const {
    throw UserError(fmt::format("--set {}: {}", printable(path_, 300), message));
  }

  std::string_view path_;
  std::string_view rest_;
  std::string_view origin_;
  bool done_ = false;
};

Json value_or_text(std::string_view text) {
  try {
    return detail::read_json(text, "");
  } catch (const UserError&) {
    return Json(text);
  }
}

}  // namespace

Config Config::set(std::string_view path, std::string_view value) const {
  auto edited = std::make_shared<Document>(document_->origin, document_->root);
  edited->grafts = document_->grafts;
  Walk(path, document_->origin).from(edited->root) = value_or_text(value);
  const void* root = &edited->root;
  return {std::move(edited), nullptr, root};
}

Config Config::with_member(std::string_view key, const Config& value) const {
  if (!document_->root.is_object()) {
    Config(document_, nullptr, &document_->root).expected("an object");
  }
  auto edited = std::make_shared<Document>(document_->origin, document_->root);
  edited->grafts = document_->grafts;
  const std::string name(key);
  edited->root[name] = *static_cast<const Json*>(value.value_);
  edited->grafts[name] = value.source();
  const void* root = &edited->root;
  return {std::move(edited), nullptr, root};
}

}  // namespace moesaic
