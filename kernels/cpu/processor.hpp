// What the operating system knows of this machine's processor and memory.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/quantity.hpp"

namespace moesaic::cpu {

/// All caches of one level that the usable processors have. Instruction caches are left out.
struct CacheLevel {
  int level = 1;
  Bytes one{};        ///< size of one cache
  int instances = 1;  ///< of them
  Bytes total() const { return one * instances; }
};

struct Processor {
  std::string model;               ///< "AMD EPYC 7742 64-Core Processor", or "unknown CPU"
  int processors = 1;              ///< that this process may run on, hardware threads counted
  int cores = 1;                   ///< of them on different cores
  Bytes memory{};                  ///< installed, or what a control group allows
  std::vector<CacheLevel> caches;  ///< by level
  bool caches_known = false;       ///< false: the sizes are assumed, the system does not tell

  Bytes cache(int level) const;  ///< total of one level; zero if there is none
  Bytes last_cache() const;      ///< total of the last level
};

/// Processors that this process may run on.
std::vector<int> usable_processors();

/// Reads /proc and /sys below `root`. What is missing there is assumed or, for caches at the real root, asked of
/// sysconf.
Processor read_processor(const std::vector<int>& processors = usable_processors(),
                         const std::filesystem::path& root = "/");

}  // namespace moesaic::cpu
