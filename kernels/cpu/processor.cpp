#include "kernels/cpu/processor.hpp"

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <numeric>
#include <set>
#include <sstream>
#include <thread>
#include <tuple>

namespace moesaic::cpu {
namespace {

namespace fs = std::filesystem;

constexpr double kKiB = 1024;

std::string first_line(const fs::path& file) {
  std::ifstream stream(file);
  std::string line;
  std::getline(stream, line);
  return line;
}

/// The value of "key : value" in a file such as /proc/cpuinfo.
std::string field(const fs::path& file, const std::string& key) {
  std::ifstream stream(file);
  for (std::string line; std::getline(stream, line);) {
    const auto colon = line.find(':');
    if (line.starts_with(key) && colon != std::string::npos) {
      const auto begin = line.find_first_not_of(" \t", colon + 1);
      return begin == std::string::npos ? "" : line.substr(begin);
    }
  }
  return "";
}

/// "512K", "32M" or a number of bytes; zero for anything else.
Bytes size_of(const std::string& text) {
  std::istringstream stream(text);
  double value = 0;
  char unit = ' ';
  if (!(stream >> value)) {
    return {};
  }
  stream >> unit;
  return {value * (unit == 'K' ? kKiB : unit == 'M' ? kKiB * kKiB : unit == 'G' ? kKiB * kKiB * kKiB : 1)};
}

fs::path processor_folder(const fs::path& root, int processor) {
  return root / "sys/devices/system/cpu" / ("cpu" + std::to_string(processor));
}

int count_cores(const fs::path& root, const std::vector<int>& processors) {
  std::set<std::string> cores;
  for (const int processor : processors) {
    const fs::path topology = processor_folder(root, processor) / "topology";
    const std::string core = first_line(topology / "core_id");
    cores.insert(core.empty() ? "processor " + std::to_string(processor)
                              : first_line(topology / "physical_package_id") + ":" + core);
  }
  return static_cast<int>(cores.size());
}

std::vector<CacheLevel> read_caches(const fs::path& root, const std::vector<int>& processors) {
  std::map<int, CacheLevel> levels;
  std::set<std::tuple<int, std::string, std::string>> seen;
  for (const int processor : processors) {
    constexpr int kMostCaches = 8;
    for (int i = 0; i < kMostCaches; ++i) {
      const fs::path folder = processor_folder(root, processor) / "cache" / ("index" + std::to_string(i));
      const Bytes size = size_of(first_line(folder / "size"));
      const std::string type = first_line(folder / "type");
      const int level = static_cast<int>(size_of(first_line(folder / "level")).value);
      if (size.value <= 0 || level < 1 || type == "Instruction") {
        continue;
      }
      const std::string sharers = first_line(folder / "shared_cpu_list");
      if (seen.emplace(level, type, sharers).second) {
        const auto [entry, fresh] = levels.try_emplace(level, CacheLevel{level, size, 0});
        ++entry->second.instances;
      }
    }
  }
  std::vector<CacheLevel> caches;
  caches.reserve(levels.size());
  for (const auto& [level, cache] : levels) {
    caches.push_back(cache);
  }
  return caches;
}

std::vector<CacheLevel> caches_by_sysconf(int cores) {
  std::vector<CacheLevel> caches;
#if defined(_SC_LEVEL1_DCACHE_SIZE)
  const std::pair<int, int> kNames[] = {
      {1, _SC_LEVEL1_DCACHE_SIZE}, {2, _SC_LEVEL2_CACHE_SIZE}, {3, _SC_LEVEL3_CACHE_SIZE}};
  for (const auto& [level, key] : kNames) {
    if (const long size = sysconf(key); size > 0) {
      caches.push_back({level, {static_cast<double>(size)}, level < 3 ? cores : 1});
    }
  }
#endif
  return caches;
}

std::vector<CacheLevel> assumed_caches(int cores) {
  return {{1, {32 * kKiB}, cores}, {2, {kKiB * kKiB}, cores}, {3, {32 * kKiB * kKiB}, 1}};
}

Bytes read_memory(const fs::path& root) {
  Bytes memory = size_of(field(root / "proc/meminfo", "MemTotal")) * kKiB;  // written "24000000 kB"
  const Bytes allowed = size_of(first_line(root / "sys/fs/cgroup/memory.max"));
  if (allowed.value > 0 && (memory.value <= 0 || allowed < memory)) {
    memory = allowed;
  }
  return memory;
}

}  // namespace

Bytes Processor::cache(int level) const {
  for (const CacheLevel& cache : caches) {
    if (cache.level == level) {
      return cache.total();
    }
  }
  return {};
}

Bytes Processor::last_cache() const { return caches.empty() ? Bytes{} : caches.back().total(); }

std::vector<int> usable_processors() {
  std::vector<int> processors;
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) == 0) {
    for (int i = 0; i < CPU_SETSIZE; ++i) {
      if (CPU_ISSET(i, &set)) {
        processors.push_back(i);
      }
    }
  }
  if (processors.empty()) {  // more processors than the set has room for
    processors.resize(std::max(1U, std::thread::hardware_concurrency()));
    std::iota(processors.begin(), processors.end(), 0);
  }
  return processors;
}

Processor read_processor(const std::vector<int>& processors, const fs::path& root) {
  Processor processor;
  processor.model = field(root / "proc/cpuinfo", "model name");
  if (processor.model.empty()) {
    processor.model = "unknown CPU";
  }
  processor.processors = std::max(1, static_cast<int>(processors.size()));
  processor.cores = std::max(1, count_cores(root, processors));
  processor.memory = read_memory(root);
  processor.caches = read_caches(root, processors);
  if (processor.caches.empty() && root == "/") {
    processor.caches = caches_by_sysconf(processor.cores);
  }
  processor.caches_known = !processor.caches.empty();
  if (!processor.caches_known) {
    processor.caches = assumed_caches(processor.cores);
  }
  return processor;
}

}  // namespace moesaic::cpu
