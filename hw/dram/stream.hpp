// Streams of reads or writes over one access path, simulated command by command.
#pragma once

#include <cstdint>
#include <vector>

#include "hw/dram/access_path.hpp"

namespace moesaic {

enum class StreamKind {
  read,
  write,
  update  ///< every row is read, then written
};

struct DramCommands {
  std::int64_t activate = 0, precharge = 0, read = 0, write = 0, refresh = 0;
};

struct StreamResult {
  Seconds time;                  ///< from the first command to the last data
  DramCommands commands;         ///< of the fullest pseudo channel
  PerDramStep<Joules> energy{};  ///< of the device
  Bytes moved;                   ///< read and written, by the whole device
  BytesPerSecond bandwidth() const { return moved / time; }
  Joules total_energy() const;
};

struct SentCommand {
  enum class Name { activate, precharge, read, write, refresh };
  std::int64_t at = 0;  ///< cycle
  Name name = Name::read;
  int rank = 0;
  int bundle = -1;       ///< none: of the whole rank (a refresh, and the precharge before it)
  std::int64_t row = 0;  ///< of an activate, read or write
};

/// Streams `bytes` (above zero), spread evenly over all pseudo channels; the fullest is simulated. Its controller takes
/// the first command that may be sent among those that the oldest accesses (Dram::queue) wait for, reads and writes
/// before row commands, older before younger. All ranks refresh at once; half an interval passes before the first
/// refresh. Commands are added to `sent`, if there is one.
StreamResult simulate_stream(const Dram& dram, const AccessPath& path, Bytes bytes, StreamKind kind = StreamKind::read,
                             std::vector<SentCommand>* sent = nullptr);

}  // namespace moesaic
