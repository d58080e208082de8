// Reading of memories' configurations.
#include <fmt/format.h>

#include <cmath>
#include <filesystem>
#include <utility>

#include "base/catalog.hpp"
#include "base/error.hpp"
#include "base/quantity_text.hpp"
#include "hw/dram/dram.hpp"

namespace moesaic {
namespace {

constexpr std::string_view kMemoryNotes[] = {"kind", "description", "sources"};
constexpr std::int64_t kMostOfALevel = 1024, kMostBanks = 1024, kMostRows = 1 << 24, kMostCycles = 1 << 20;

std::int64_t count(const Config& owner, std::string_view key, std::int64_t least, std::int64_t most) {
  const Config config = owner.at(key);
  const std::int64_t value = config.integer();
  if (value < least || value > most) {
    config.fail(fmt::format("must be from {} to {}, found {}", least, most, value));
  }
  return value;
}

int small_count(const Config& owner, std::string_view key) {
  return static_cast<int>(count(owner, key, 1, kMostOfALevel));
}

/// A whole number of bytes.
std::int64_t size(const Config& owner, std::string_view key) {
  const Config config = owner.at(key);
  const double bytes = config.quantity<Bytes>().value;
  if (!(bytes >= 1 && bytes <= 1 << 20) || bytes != std::floor(bytes)) {
    config.fail(fmt::format("must be whole bytes from 1 B to 1 MiB, found \"{}\"", printable(config.string())));
  }
  return static_cast<std::int64_t>(bytes);
}

void read_stack(const Config& config, Dram& dram) {
  dram.pseudo_channels = small_count(config, "pseudo_channels");
  dram.ranks = small_count(config, "ranks");
  dram.bank_groups = small_count(config, "bank_groups");
  dram.banks_per_group = small_count(config, "banks_per_group");
  if (std::int64_t{dram.ranks} * dram.bank_groups * dram.banks_per_group > kMostBanks) {
    config.fail(fmt::format("{} ranks of {} bank groups of {} banks are more than {} banks of a pseudo channel",
                            dram.ranks, dram.bank_groups, dram.banks_per_group, kMostBanks));
  }
  dram.rows = count(config, "rows", 1, kMostRows);
  dram.row = size(config, "row");
  dram.access = size(config, "access");
  if (dram.row % dram.access != 0) {
    config.at("access").fail(
        fmt::format("a row of {} B is not a whole number of accesses of {} B", dram.row, dram.access));
  }
}

DramTiming read_timing(const Config& config, Seconds clock_period) {
  DramTiming timing;
  constexpr std::pair<std::string_view, std::int64_t DramTiming::*> kCycles[] = {
      {"nBL", &DramTiming::nBL},     {"nCL", &DramTiming::nCL},     {"nCWL", &DramTiming::nCWL},
      {"nRCD", &DramTiming::nRCD},   {"nRP", &DramTiming::nRP},     {"nRAS", &DramTiming::nRAS},
      {"nRC", &DramTiming::nRC},     {"nRTP", &DramTiming::nRTP},   {"nWR", &DramTiming::nWR},
      {"nCCDS", &DramTiming::nCCDS}, {"nCCDL", &DramTiming::nCCDL}, {"nRRDS", &DramTiming::nRRDS},
      {"nRRDL", &DramTiming::nRRDL}, {"nFAW", &DramTiming::nFAW},   {"nWTRS", &DramTiming::nWTRS},
      {"nWTRL", &DramTiming::nWTRL}, {"nRTW", &DramTiming::nRTW},   {"nREFI", &DramTiming::nREFI}};
  for (const auto& [key, member] : kCycles) {
    timing.*member = count(config, key, key == "nRTW" || key == "nFAW" ? 0 : 1, kMostCycles);
  }
  const Config refresh = config.at("tRFC");
  const double cycles = std::ceil(refresh.quantity<Seconds>() / clock_period - 1e-6);  // 450 ns are 585 cycles, not 586
  // Everything that can stand between a refresh and the first data after it, so that streams come to an end.
  const std::int64_t access = timing.nFAW + timing.nRRDL + timing.nRC + timing.nRAS + timing.nRP + timing.nRCD +
                              timing.nRTP + timing.nWR + timing.nCCDL + timing.nCL + timing.nCWL + timing.nBL +
                              timing.nWTRL + timing.nRTW;
  if (!(cycles + static_cast<double>(access) < static_cast<double>(timing.nREFI))) {
    refresh.fail(
        fmt::format("\"{}\" and {} cycles to open and read a row are more than refreshes are apart ({} cycles)",
                    printable(refresh.string()), access, timing.nREFI));
  }
  timing.nRFC = static_cast<std::int64_t>(cycles);
  if (timing.nCCDL < timing.nCCDS) {
    config.at("nCCDL").fail(
        fmt::format("{} is below nCCDS ({}), that of other bank groups", timing.nCCDL, timing.nCCDS));
  }
  return timing;
}

PerDramStep<JoulesPerByte> read_energy(const Config& config, std::int64_t row) {
  PerDramStep<JoulesPerByte> energy{};
  for (std::size_t step = 0; step < kDramStepCount; ++step) {
    const std::string_view key = to_text(static_cast<DramStep>(step));
    energy[step] = step == 0 ? config.at("activate_row").quantity<Joules>() / Bytes{static_cast<double>(row)}
                             : config.at(key).quantity<JoulesPerByte>();
  }
  return energy;
}

}  // namespace

Dram read_dram(const Config& config) {
  config.ignore(kMemoryNotes);
  Dram dram;
  dram.name = config.at("name").string();
  dram.stacks = small_count(config, "stacks");
  read_stack(config.at("stack"), dram);
  const Config period = config.at("clock_period");
  dram.clock_period = period.quantity<Seconds>();
  if (!(dram.clock_period.value > 0)) {
    period.fail(fmt::format("must be greater than zero, found \"{}\"", printable(period.string())));
  }
  dram.timing = read_timing(config.at("timing"), dram.clock_period);
  dram.queue = config.has("queue") ? small_count(config, "queue") : dram.queue;
  dram.energy = read_energy(config.at("energy"), dram.row);
  config.reject_unknown();
  return dram;
}

std::shared_ptr<const Dram> load_dram(const std::string& name_or_file) {
  return std::make_shared<Dram>(read_dram(Config::load(find_in_catalog("memories", "memory", name_or_file).file)));
}

std::shared_ptr<const Dram> read_dram_reference(const Config& config) {
  if (config.is_object()) {
    return std::make_shared<Dram>(read_dram(config));
  }
  const std::string typed = config.string();
  const auto beside = std::filesystem::path(config.origin()).parent_path() / typed;
  std::error_code error;
  const bool neighbour = typed.ends_with(".json") && std::filesystem::is_regular_file(beside, error);
  try {
    return load_dram(neighbour ? beside.string() : typed);
  } catch (const UserError& mistake) {
    config.fail(mistake.what());
  }
}

}  // namespace moesaic
