#include "sim/simgrid_flows.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <map>
#include <system_error>

#include "base/error.hpp"
#include "sim/child_process.hpp"
#include "sim/flow_rows.hpp"
#include "sim/simgrid/flow_exchange.hpp"

namespace moesaic {
namespace {

namespace fs = std::filesystem;

constexpr const char* kProgram = "moesaic-simgrid";
constexpr std::size_t kMostFlows = 100'000;  // seconds where they end together, hours where each ends on its own

bool is_program(const fs::path& path) {
  std::error_code error;
  return fs::is_regular_file(path, error);
}

/// The flows that take time, whole.
class Whole {
 public:
  explicit Whole(const FlowProblem& problem)
      : problem_(problem), share_(problem.capacity.size()), number_(share_.size()) {
    for (std::size_t flow = 0; flow < problem.flows(); ++flow) {
      add(flow);
    }
  }

  const WholeFlows& flows() const { return flows_; }
  /// Index of the first copy of a flow; nothing for one that takes no time.
  const std::vector<std::optional<std::size_t>>& copy_of() const { return copy_of_; }

 private:
  void add(std::size_t flow) {
    std::map<std::uint32_t, double> shares;  // a flow may cross a channel twice
    if (problem_.bytes[flow] > 0) {
      for (std::uint32_t i = problem_.first[flow]; i < problem_.first[flow + 1]; ++i) {
        const Routes::Hop& hop = problem_.hops[i];
        if (hop.share > 0 && std::isfinite(problem_.capacity[hop.channel])) {
          shares[hop.channel] += hop.share;
        }
      }
    }
    copy_of_.emplace_back();
    if (shares.empty()) {
      return;
    }
    copy_of_.back() = flows_.bytes.size();
    std::vector<std::uint32_t> channels;
    channels.reserve(shares.size());
    for (const auto& [channel, share] : shares) {
      channels.push_back(number_of(channel, share, flow));
    }
    const double copies = problem_.multiplicity.empty() ? 1 : problem_.multiplicity[flow];
    if (copies != std::floor(copies)) {
      throw UserError(fmt::format("SimGrid takes whole flows: flow {} stands for {} of them", flow, copies));
    }
    if (copies + static_cast<double>(flows_.bytes.size()) > static_cast<double>(kMostFlows)) {
      throw UserError(fmt::format("SimGrid would take hours for more than {} flows", kMostFlows));
    }
    for (double copy = 0; copy < copies; ++copy) {
      flows_.channel.insert(flows_.channel.end(), channels.begin(), channels.end());
      flows_.first.push_back(static_cast<std::uint32_t>(flows_.channel.size()));
      flows_.bytes.push_back(problem_.bytes[flow]);
      flows_.release.push_back(release_time(problem_, flow));
    }
  }

  std::uint32_t number_of(std::uint32_t channel, double share, std::size_t flow) {
    if (share_[channel] == 0) {
      share_[channel] = share;
      number_[channel] = static_cast<std::uint32_t>(flows_.capacity.size());
      flows_.capacity.push_back(problem_.capacity[channel] / share);
    }
    if (share_[channel] != share) {
      throw UserError(fmt::format(
          "SimGrid takes flows whole: channel {} carries {} of flow {}, and {} of another; split flows into paths, "
          "or route each over one",
          channel, share, flow, share_[channel]));
    }
    return number_[channel];
  }

  const FlowProblem& problem_;
  std::vector<double> share_;  ///< of its flows, by channel; 0: none yet
  std::vector<std::uint32_t> number_;
  WholeFlows flows_{{}, {0}, {}, {}, {}};
  std::vector<std::optional<std::size_t>> copy_of_;
};

}  // namespace

std::optional<fs::path> find_simgrid() {
  if (const char* chosen = std::getenv("MOESAIC_SIMGRID"); chosen != nullptr && *chosen != '\0') {
    if (!is_program(chosen)) {
      throw UserError(fmt::format("MOESAIC_SIMGRID is '{}', which is not a file", printable(chosen, 400)));
    }
    return chosen;
  }
  std::error_code error;
  const fs::path here = fs::read_symlink("/proc/self/exe", error).parent_path();
  for (const fs::path& place :
       {here, here.parent_path() / "libexec" / "moesaic", fs::path(MOESAIC_BUILD), fs::path(MOESAIC_LIBEXEC)}) {
    if (is_program(place / kProgram)) {
      return place / kProgram;
    }
  }
  return std::nullopt;
}

FlowTimes run_flows_in_simgrid(const FlowProblem& problem) {
  check_flows(problem);
  refuse_dead_channels(problem);
  const Whole whole(problem);
  const std::optional<fs::path> program = find_simgrid();
  if (!program) {
    throw UserError(
        fmt::format("this build has no SimGrid: there is no {} beside this program; install SimGrid (Debian: "
                    "libsimgrid-dev) and build "
                    "again, or name one in MOESAIC_SIMGRID",
                    kProgram));
  }
  std::vector<double> ends;
  try {
    ends = read_ends(answer_of(*program, write_flows(whole.flows())), whole.flows().bytes.size());
  } catch (const UserError& error) {
    throw UserError(fmt::format("SimGrid failed: {}", error.what()));
  }
  FlowTimes times;
  for (std::size_t flow = 0; flow < problem.flows(); ++flow) {
    const std::optional<std::size_t>& copy = whole.copy_of()[flow];
    times.end.push_back(copy ? ends[*copy] : release_time(problem, flow));
    times.total = Seconds{std::max(times.total.value, times.end.back())};
  }
  return times;
}

}  // namespace moesaic
