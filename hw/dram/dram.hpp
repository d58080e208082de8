// Stacked DRAM: how it is organised, how long its commands keep each other waiting, and what they cost in energy.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/config.hpp"
#include "base/quantity.hpp"

namespace moesaic {

/// Least distances between commands in clock cycles, under their JEDEC names. S and L: to another and to the same bank
/// group.
struct DramTiming {
  std::int64_t nBL = 0;               ///< the data bus carries one access
  std::int64_t nCL = 0, nCWL = 0;     ///< read, write to its data
  std::int64_t nRCD = 0;              ///< activate to read or write
  std::int64_t nRP = 0;               ///< precharge to activate
  std::int64_t nRAS = 0;              ///< activate to precharge
  std::int64_t nRC = 0;               ///< activate to activate of one bank
  std::int64_t nRTP = 0;              ///< read to precharge
  std::int64_t nWR = 0;               ///< end of the data of a write to precharge
  std::int64_t nCCDS = 0, nCCDL = 0;  ///< read to read, write to write
  std::int64_t nRRDS = 0, nRRDL = 0;  ///< activate to activate of different banks
  std::int64_t nFAW = 0;              ///< any five activates of a pseudo channel take longer than this
  std::int64_t nWTRS = 0, nWTRL = 0;  ///< end of the data of a write to a read
  std::int64_t nRTW = 0;              ///< idle cycles of the data bus between data read and data written
  std::int64_t nREFI = 0;             ///< refresh to refresh
  std::int64_t nRFC = 0;              ///< refresh to the next activate
};

/// The parts of the way of a bit, from the cell to the processor.
enum class DramStep { activate, cell, column, global, tsv, interposer, bank_wire, power_tsv_wire };
inline constexpr std::size_t kDramStepCount = 8;
std::string_view to_text(DramStep step);

template <class T>
using PerDramStep = std::array<T, kDramStepCount>;

/// The stacked memory of one device. Its pseudo channels are alike and independent.
struct Dram {
  std::string name;
  int stacks = 1;
  int pseudo_channels = 1;  ///< of one stack
  int ranks = 1;            ///< of one pseudo channel
  int bank_groups = 1;      ///< of one rank
  int banks_per_group = 1;
  std::int64_t rows = 1;     ///< of one bank
  std::int64_t row = 1024;   ///< bytes
  std::int64_t access = 32;  ///< bytes of one read or write of one bank
  Seconds clock_period;      ///< of commands
  DramTiming timing;
  int queue = 32;                       ///< accesses that a pseudo channel's controller chooses from
  PerDramStep<JoulesPerByte> energy{};  ///< activate: of a whole row's bytes, for each time that it is opened

  int channels() const { return stacks * pseudo_channels; }
  int banks() const { return bank_groups * banks_per_group; }  ///< of one rank
  std::int64_t columns() const { return row / access; }        ///< accesses of one row
  Bytes capacity() const;
  /// What all data buses carry at once, refresh and row openings left out.
  BytesPerSecond peak() const;
};

/// Reads an object as configs/schema/memory.json describes it. Throws UserError.
Dram read_dram(const Config& config);
/// The memory that `config` names (a catalog entry of configs/memories, or a file, first looked for beside the
/// configuration's own), or the object itself. Throws UserError.
std::shared_ptr<const Dram> read_dram_reference(const Config& config);
/// By name, part of a name, or file. Throws UserError.
std::shared_ptr<const Dram> load_dram(const std::string& name_or_file);

}  // namespace moesaic
