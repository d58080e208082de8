// What the system's files say about a processor is counted rightly.
#include "kernels/cpu/processor.hpp"

#include <gtest/gtest.h>

#include <fstream>

#include "tests/temporary_file.hpp"

namespace moesaic::cpu {
namespace {

namespace fs = std::filesystem;

void write(const fs::path& file, const std::string& text) {
  fs::create_directories(file.parent_path());
  std::ofstream(file) << text << '\n';
}

/// Two cores of two hardware threads each; a second-level cache per core and a third level that they share.
fs::path small_machine() {
  const fs::path root = temporary_file("processor");
  fs::remove_all(root);
  write(root / "proc/cpuinfo", "processor\t: 0\nmodel name\t: Example CPU 4000\nflags\t\t: fpu");
  write(root / "proc/meminfo", "MemTotal:       16384 kB\nMemFree:          100 kB");
  for (int i = 0; i < 4; ++i) {
    const fs::path folder = root / "sys/devices/system/cpu" / ("cpu" + std::to_string(i));
    const std::string pair = i < 2 ? "0-1" : "2-3";
    write(folder / "topology/physical_package_id", "0");
    write(folder / "topology/core_id", std::to_string(i / 2));
    const auto cache = [&](int index, int level, const char* type, const char* size, const std::string& sharers) {
      const fs::path at = folder / "cache" / ("index" + std::to_string(index));
      write(at / "level", std::to_string(level));
      write(at / "type", type);
      write(at / "size", size);
      write(at / "shared_cpu_list", sharers);
    };
    cache(0, 1, "Data", "32K", pair);
    cache(1, 1, "Instruction", "32K", pair);
    cache(2, 2, "Unified", "512K", pair);
    cache(3, 3, "Unified", "8M", "0-3");
  }
  return root;
}

TEST(Processor, CountsCoresAndCaches) {
  const Processor processor = read_processor({0, 1, 2, 3}, small_machine());
  EXPECT_EQ(processor.model, "Example CPU 4000");
  EXPECT_EQ(processor.processors, 4);
  EXPECT_EQ(processor.cores, 2);
  EXPECT_EQ(processor.memory.value, 16384 * 1024.0);
  EXPECT_TRUE(processor.caches_known);
  ASSERT_EQ(processor.caches.size(), 3U);
  EXPECT_EQ(processor.cache(1).value, 2 * 32 * 1024.0);
  EXPECT_EQ(processor.cache(2).value, 2 * 512 * 1024.0);
  EXPECT_EQ(processor.last_cache().value, 8 * 1024 * 1024.0);
  EXPECT_EQ(processor.cache(4).value, 0);
}

TEST(Processor, CountsOnlyWhatTheProcessMayUse) {
  const Processor processor = read_processor({0, 1}, small_machine());
  EXPECT_EQ(processor.processors, 2);
  EXPECT_EQ(processor.cores, 1);
  EXPECT_EQ(processor.cache(2).value, 512 * 1024.0);
}

TEST(Processor, AControlGroupLimitsMemory) {
  const fs::path root = small_machine();
  write(root / "sys/fs/cgroup/memory.max", "8388608");
  EXPECT_EQ(read_processor({0}, root).memory.value, 8388608);
  write(root / "sys/fs/cgroup/memory.max", "max");
  EXPECT_EQ(read_processor({0}, root).memory.value, 16384 * 1024.0);
}

TEST(Processor, ASystemThatTellsNothingIsAssumed) {
  const Processor processor = read_processor({0, 1}, temporary_file("no-such-root"));
  EXPECT_EQ(processor.model, "unknown CPU");
  EXPECT_FALSE(processor.caches_known);
  EXPECT_EQ(processor.cores, 2);
  EXPECT_GT(processor.last_cache().value, 0);
}

TEST(Processor, ThisMachineHasSome) {
  EXPECT_FALSE(usable_processors().empty());
  const Processor processor = read_processor();
  EXPECT_GE(processor.processors, processor.cores);
  EXPECT_GT(processor.memory.value, 0);
}

}  // namespace
}  // namespace moesaic::cpu
