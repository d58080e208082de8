// Private to sim: what this program and moesaic-simgrid tell each other: flows one way, the times of their ends back.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace moesaic {

/// What SimGrid can simulate: flows that take channels whole, each carrying bytes over at least one finite channel.
struct WholeFlows {
  std::vector<double> capacity;      ///< bytes per second
  std::vector<std::uint32_t> first;  ///< flow i takes the channels first[i] to first[i + 1]
  std::vector<std::uint32_t> channel;
  std::vector<double> bytes;
  std::vector<double> release;  ///< seconds: when the first byte moves
};

/// Little-endian like the machine, with a version and the counts in front. Reading throws UserError when the text is of
/// another version, too short, too long, or names what is not there.
std::string write_flows(const WholeFlows& flows);
WholeFlows read_flows(std::string_view text);
std::string write_ends(const std::vector<double>& ends);
std::vector<double> read_ends(std::string_view text, std::size_t flows);

}  // namespace moesaic
