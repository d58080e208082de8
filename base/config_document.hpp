// Private to base: the parsed document behind Config, and which of its keys were asked for.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "base/config.hpp"

namespace moesaic {

/// Where a value was written: the file and the path in that file.
struct Config::Source {
  std::string origin;
  std::string path;
};

struct Config::Document {
  using Json = nlohmann::ordered_json;

  Document(std::string name, Json value) : origin(std::move(name)), root(std::move(value)) {}

  const std::string origin;
  Json root;  ///< does not change once a Config points into it
  /// Members of the root that were taken from other documents.
  std::map<std::string, Source, std::less<>> grafts;

  /// Marks a key of `object` as understood.
  void ask(const void* object, std::string_view key) {
    const std::lock_guard lock(mutex_);
    reads_[object].keys.emplace(key);
  }
  /// Marks that `value` was handed out as a Config of its own, so that its members are to be understood too.
  void open(const void* value) {
    const std::lock_guard lock(mutex_);
    reads_[value].opened = true;
  }
  std::set<std::string, std::less<>> asked(const void* object) {
    const std::lock_guard lock(mutex_);
    return reads_[object].keys;
  }
  bool opened(const void* value) {
    const std::lock_guard lock(mutex_);
    return reads_[value].opened;
  }

 private:
  struct Reads {
    std::set<std::string, std::less<>> keys;
    bool opened = false;
  };
  std::mutex mutex_;  // copies of a Config may be read by several threads
  std::unordered_map<const void*, Reads> reads_;
};

/// One step of a path; the root has none. Elements of arrays have their index as key.
struct Config::Place {
  std::shared_ptr<const Place> parent;
  std::string key;
};

}  // namespace moesaic
