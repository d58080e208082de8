// Typed reading of JSON configuration, with errors that name file, JSON path, what was found and what is allowed.
// The JSON library stays in config.cpp.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "base/quantity.hpp"
#include "base/quantity_text.hpp"

namespace moesaic {

/// A JSON value with its origin. Cheap to copy. Every read marks the key as understood; reject_unknown() then names a
/// key that nobody read. All functions throw UserError on the user's mistakes.
class Config {
 public:
  /// Reads a file. Refuses directories, unreadable files and files over 64 MiB; malformed JSON is reported with line
  /// and column.
  static Config load(const std::filesystem::path& file);
  /// Parses text; `origin` stands where the file name would in messages.
  static Config parse(std::string_view text, std::string origin);

  const std::string& origin() const;  ///< the file
  std::string path() const;           ///< JSON path from the root, e.g. "device.memory.bandwidth"; "" at the root
  std::string dump(int indent = 2) const;

  bool is_object() const;
  bool is_array() const;
  bool is_string() const;
  bool is_number() const;
  bool is_boolean() const;
  bool is_null() const;

  bool has(std::string_view key) const;                    ///< present and not null
  bool contains(std::string_view key) const;               ///< present, perhaps null
  Config at(std::string_view key) const;                   ///< required member of an object
  std::optional<Config> find(std::string_view key) const;  ///< member, none if absent or null
  std::vector<std::string> keys() const;                   ///< of an object, in file order
  std::vector<Config> elements() const;                    ///< of an array

  std::string string() const;
  bool boolean() const;
  double number() const;              ///< finite
  std::int64_t integer() const;       ///< a JSON integer (or a float of integral value) that fits
  std::int64_t positive() const;      ///< integer >= 1 and at most 2^40
  std::int64_t non_negative() const;  ///< integer >= 0 and at most 2^40

  /// A quantity written as a string with its unit.
  template <class Q>
  Q quantity() const {
    const std::string text = quantity_text();
    try {
      return parse_quantity<Q>(text);
    } catch (const UserError& error) {
      fail(error.what());
    }
  }

  // Shorthands for members with a default when absent or null.
  std::int64_t positive_or(std::string_view key, std::int64_t fallback) const;
  std::int64_t non_negative_or(std::string_view key, std::int64_t fallback) const;
  double number_or(std::string_view key, double fallback) const;
  bool boolean_or(std::string_view key, bool fallback) const;
  std::string string_or(std::string_view key, std::string_view fallback) const;

  /// Marks keys as understood without using them (they do not change any cost).
  void ignore(std::span<const std::string_view> keys) const;
  /// Throws for the first member of this object (recursively) that was neither read nor ignored, with the nearest of
  /// the keys that were asked for.
  void reject_unknown() const;

  /// A copy of the whole document with one value replaced, e.g. set("device.memory.bandwidth", "8TB/s"). The value is
  /// taken as JSON if it parses as JSON, else as a string. The path must exist; the error
  /// names the nearest key. Call on the root.
  Config set(std::string_view path, std::string_view value) const;
  /// A copy of the whole document with `key` of the root replaced by another document's content.
  Config with_member(std::string_view key, const Config& value) const;

  /// Throws UserError "FILE: PATH: MESSAGE".
  [[noreturn]] void fail(std::string_view message) const;

  std::string quantity_text() const;  ///< a string; the message for a bare number says that the unit is missing

 private:
  struct Document;
  struct Place;
  struct Source;
  Config(std::shared_ptr<Document> document, std::shared_ptr<const Place> place, const void* value);
  Config child(std::string_view key, const void* value) const;
  const void* member(std::string_view key) const;  ///< null if absent; marks the key as understood
  Source source() const;                           ///< the file this value was written in, and the path there
  std::int64_t counted(std::int64_t least) const;
  [[noreturn]] void expected(std::string_view what) const;

  std::shared_ptr<Document> document_;
  std::shared_ptr<const Place> place_;
  const void* value_ = nullptr;
};

}  // namespace moesaic
