#include "base/json_text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include "base/error.hpp"

namespace moesaic::detail {
namespace {

using Json = nlohmann::ordered_json;

// Receives the parser's events and builds the value, with a stack of the open objects and arrays.
class Builder final : public nlohmann::json_sax<Json> {
 public:
  Builder(std::string_view text, std::string_view origin) : text_(text), origin_(printable(origin, 400)) {}

  Json take() { return std::move(root_); }

  bool null() override { return add(nullptr); }
  bool boolean(bool value) override { return add(value); }
  bool number_integer(std::int64_t value) override { return add(value); }
  bool number_unsigned(std::uint64_t value) override { return add(value); }
  bool number_float(double value, const std::string&) override { return add(value); }
  bool string(std::string& value) override { return add(std::move(value)); }
  bool binary(Json::binary_t&) override { return false; }
  bool start_object(std::size_t) override { return open(Json::object()); }
  bool start_array(std::size_t) override { return open(Json::array()); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }

  bool key(std::string& name) override {
    Level& level = levels_.back();
    level.key = std::move(name);
    if (!level.keys.insert(level.key).second) {
      throw UserError(fmt::format("{}: {}: duplicate key '{}'", origin_, path(), printable(level.key)));
    }
    return true;
  }

  bool parse_error(std::size_t byte, const std::string& token, const nlohmann::detail::exception& error) override {
    const std::string_view what = error.what();
    const bool is_string = what.find("invalid string") != what.npos || what.find("unexpected string") != what.npos;
    const std::size_t start = token_start(byte, token, is_string);
    if (byte > text_.size()) {
      malformed(text_.size(),
                text_.find_first_not_of(" \t\r\n") == text_.npos ? "the file is empty" : "the text ends too early");
    }
    for (const std::string_view literal : {"NaN", "Infinity", "-Infinity"}) {
      if (text_.substr(start).starts_with(literal)) {
        malformed(start, fmt::format("{} is not allowed in JSON", literal));
      }
    }
    if (error.id == 406) {
      malformed(start, fmt::format("the number {} is out of range", printable(token)));
    }
    // The library's line is "[json.exception...] ... column C: REASON; last read: 'TOKEN'; expected ...".
    const std::size_t prefix = what.find(": ");
    std::string reason(prefix == what.npos ? what : what.substr(prefix + 2));
    if (const std::size_t read = reason.find("; last read: "); read != reason.npos) {
      const std::size_t next = reason.rfind("; expected ");
      reason.erase(read, next != reason.npos && next > read ? next - read : reason.npos);
    }
    malformed(start, reason);
  }

  [[noreturn]] void malformed(std::size_t offset, std::string_view reason) const {
    const std::string_view before = text_.substr(0, offset);
    const auto line = 1 + std::count(before.begin(), before.end(), '\n');
    const std::size_t line_start = before.rfind('\n') == before.npos ? 0 : before.rfind('\n') + 1;
    throw UserError(
        fmt::format("{}: line {}, column {}: {}", origin_, line, offset - line_start + 1, printable(reason, 200)));
  }

 private:
  struct Level {
    Json* value;
    std::string key;                       // of the member being read
    std::unordered_set<std::string> keys;  // seen so far
  };

  // Where the token begins whose last byte is number `end`. Except for strings and numbers the library's token may have
  // earlier tokens before it.
  std::size_t token_start(std::size_t end, std::string_view token, bool is_string) const {
    const std::size_t last = end > 0 ? end - 1 : 0;
    if (end > text_.size() || token.size() > end || text_.substr(end - token.size(), token.size()) != token) {
      return last;
    }
    const std::size_t separator = is_string ? token.npos : token.find_last_of(" \t\r\n{}[],:");
    return std::min(last, end - token.size() + (separator == token.npos ? 0 : separator + 1));
  }

  template <class Value>
  bool add(Value&& value) {
    place(Json(std::forward<Value>(value)));
    return true;
  }

  // Appends to the open object or array. The vector's own emplace_back: the ordered map's emplace searches all keys.
  Json& place(Json value) {
    if (levels_.empty()) {
      root_ = std::move(value);
      return root_;
    }
    Json& parent = *levels_.back().value;
    if (parent.is_array()) {
      return parent.get_ref<Json::array_t&>().emplace_back(std::move(value));
    }
    return parent.get_ref<Json::object_t&>().emplace_back(levels_.back().key, std::move(value)).second;
  }

  bool open(Json empty) {
    if (levels_.size() >= kDeepestNesting) {
      throw UserError(fmt::format("{}: {}: nested deeper than {} levels", origin_, path(), kDeepestNesting));
    }
    levels_.push_back({&place(std::move(empty)), {}, {}});
    return true;
  }

  bool close() {
    levels_.pop_back();
    return true;
  }

  std::string path() const {
    std::string result;
    for (const Level& level : levels_) {
      const bool in_array = level.value->is_array();
      const std::size_t count = level.value->size();
      result += (result.empty() ? "" : ".") + (in_array ? std::to_string(count > 0 ? count - 1 : 0) : level.key);
    }
    return printable(result, 300);
  }

  std::string_view text_;
  std::string origin_;
  Json root_;
  std::vector<Level> levels_;
};

}  // namespace

nlohmann::ordered_json read_json(std::string_view text, std::string_view origin) {
  Builder builder(text, origin);
  if (const std::size_t nul = text.find('\0'); nul != text.npos) {
    builder.malformed(nul, "a NUL byte: this is not a text file");
  }
  Json::sax_parse(text.begin(), text.end(), &builder);
  return builder.take();
}

}  // namespace moesaic::detail
