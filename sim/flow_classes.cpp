#include <algorithm>
#include <atomic>
#include <bit>
#include <cmath>
#include <mutex>
#include <optional>

#include "base/error.hpp"
#include "sim/colour_numbers.hpp"
#include "sim/flow_rows.hpp"
#include "sim/ranges.hpp"

namespace moesaic {
namespace {

constexpr int kMostRounds = 32;  // a long chain needs as many rounds as it has links, and saves nothing
constexpr Colour kOdd = 0x9E3779B97F4A7C15U;

class Classes {
 public:
  Classes(const FlowProblem& problem, std::vector<Colour> labels)
      : problem_(problem),
        flow_(std::move(labels)),
        row_(flow_.size(), FlowClasses::kNoRow),
        channel_(problem.capacity.size()),
        on_channel_(problem.capacity.size()) {
    for (std::size_t c = 0; c < channel_.size(); ++c) {
      channel_[c] = std::isfinite(problem.capacity[c]) ? mixed(std::bit_cast<Colour>(problem.capacity[c])) : 0;
    }
    for_ranges(flow_.size(), [&](std::size_t begin, std::size_t end) {
      std::size_t held = 0;
      for (std::size_t flow = begin; flow < end; ++flow) {
        if (flow_[flow] == 0 || !is_held(flow)) {
          flow_[flow] = 0;
          continue;
        }
        ++held;
        if (!problem.multiplicity.empty()) {
          flow_[flow] = mixed(flow_[flow] * kOdd + std::bit_cast<Colour>(problem.multiplicity[flow]));
        }
      }
      flows_ += held;
    });
  }

  FlowClasses result() {
    FlowClasses classes;
    refine() ? fold(classes) : copy(classes);
    classes.row_of = std::move(row_);
    return classes;
  }

 private:
  static Colour mixed(Colour colour) { return std::max<Colour>(1, mix_bits(colour)); }

  bool counts(const Routes::Hop& hop) const { return channel_[hop.channel] != 0 && hop.share > 0; }

  template <typename Function>
  void for_each_hop(std::size_t flow, Function function) const {
    for (std::uint32_t i = problem_.first[flow]; i < problem_.first[flow + 1]; ++i) {
      if (counts(problem_.hops[i])) {
        function(problem_.hops[i]);
      }
    }
  }

  bool is_held(std::size_t flow) const {
    const auto* hops = problem_.hops.data();
    return std::any_of(hops + problem_.first[flow], hops + problem_.first[flow + 1],
                       [&](const Routes::Hop& hop) { return counts(hop); });
  }

  double multiplicity(std::size_t flow) const {
    return problem_.multiplicity.empty() ? 1 : problem_.multiplicity[flow];
  }

  /// What a colour counts over a hop of a share: sums of these do not depend on the order of hops. 0 for a share of 0.
  struct ShareFactor {
    float share = 0;
    Colour factor = 0;
    Colour operator()(float of_share) {
      if (of_share != share) {
        share = of_share;
        factor = share == 0 ? 0 : mix_bits(std::bit_cast<std::uint32_t>(share)) | 1;
      }
      return factor;
    }
  };

  /// Colours channels by their flows; those without a limit stay without colour.
  void colour_channels() {
    std::fill(on_channel_.begin(), on_channel_.end(), 0);
    std::mutex adding;
    for_ranges(flow_.size(), [&](std::size_t begin, std::size_t end) {
      std::vector<Colour> sums(end - begin < flow_.size() ? on_channel_.size() : 0);
      std::vector<Colour>& into = sums.empty() ? on_channel_ : sums;
      ShareFactor factor;
      for (std::size_t flow = begin; flow < end; ++flow) {
        const Colour colour = flow_[flow];
        for (std::uint32_t i = problem_.first[flow]; i < problem_.first[flow + 1]; ++i) {
          into[problem_.hops[i].channel] += colour * factor(problem_.hops[i].share);
        }
      }
      const std::lock_guard lock(adding);
      for (std::size_t c = 0; c < sums.size(); ++c) {
        on_channel_[c] += sums[c];  // modulo 2^64, so that the order does not matter
      }
    });
    for (std::size_t c = 0; c < channel_.size(); ++c) {
      channel_[c] = channel_[c] != 0 ? mixed(channel_[c] * kOdd + on_channel_[c]) : 0;
    }
  }

  /// Colours flows by their channels.
  void colour_flows() {
    for_ranges(flow_.size(), [&](std::size_t begin, std::size_t end) {
      ShareFactor factor;
      for (std::size_t flow = begin; flow < end; ++flow) {
        if (flow_[flow] != 0) {
          Colour sum = flow_[flow] * kOdd;
          for (std::uint32_t i = problem_.first[flow]; i < problem_.first[flow + 1]; ++i) {
            sum += channel_[problem_.hops[i].channel] * factor(problem_.hops[i].share);
          }
          flow_[flow] = mixed(sum);
        }
      }
    });
  }

  /// Gives each colour of flows a row; how many there are, or nothing if more than half as many as flows.
  std::optional<std::uint32_t> number_rows() {
    ColourNumbers numbers;
    for (std::size_t flow = 0; flow < flow_.size(); ++flow) {
      if (flow_[flow] != 0) {
        row_[flow] = numbers(flow_[flow]);
        if (2 * static_cast<std::size_t>(numbers.count()) > flows_) {
          return std::nullopt;
        }
      }
    }
    return numbers.count();
  }

  /// Once a round splits no colour of flows, the next one would split none of channels either.
  bool refine() {
    std::optional<std::uint32_t> count = number_rows();
    for (int round = 0; count && round < kMostRounds; ++round) {
      colour_channels();
      colour_flows();
      const std::optional<std::uint32_t> after = number_rows();
      if (after == count) {
        return true;
      }
      count = after;
    }
    return false;
  }

  /// One row for each colour of flows over one channel for each colour of channels.
  void fold(FlowClasses& classes) const {
    FlowRows& rows = classes.rows;
    std::vector<std::uint32_t>& representative = classes.representative;
    std::vector<double> members;
    for (std::size_t flow = 0; flow < flow_.size(); ++flow) {
      if (const std::uint32_t row = row_[flow]; row != FlowClasses::kNoRow) {
        if (row == representative.size()) {
          representative.push_back(static_cast<std::uint32_t>(flow));
          members.push_back(0);
        }
        ++members[row];
      }
    }
    ColourNumbers numbers;
    std::vector<double> channels;  // of each colour
    for (std::size_t c = 0; c < channel_.size(); ++c) {
      if (channel_[c] != 0 && on_channel_[c] != 0) {
        const std::uint32_t number = numbers(channel_[c]);
        if (number == channels.size()) {
          channels.push_back(0);
          rows.capacity.push_back(problem_.capacity[c]);
        }
        ++channels[number];
      }
    }
    std::vector<std::pair<std::uint32_t, double>> entries;
    for (std::size_t row = 0; row < representative.size(); ++row) {
      entries.clear();
      const std::size_t flow = representative[row];
      for_each_hop(flow, [&](const Routes::Hop& hop) {
        const std::uint32_t number = numbers(channel_[hop.channel]);
        entries.emplace_back(number, members[row] * multiplicity(flow) * hop.share / channels[number]);
      });
      std::sort(entries.begin(), entries.end());
      for (std::size_t i = 0; i < entries.size(); ++i) {
        if (i > 0 && entries[i].first == entries[i - 1].first) {
          rows.weight.back() += entries[i].second;
        } else {
          rows.add(entries[i].first, entries[i].second);
        }
      }
      rows.end_row();
    }
  }

  /// Each flow in its own row.
  void copy(FlowClasses& classes) {
    FlowRows& rows = classes.rows;
    std::vector<std::uint32_t> number(channel_.size(), FlowClasses::kNoRow);
    rows.channel.reserve(problem_.hops.size());
    rows.weight.reserve(problem_.hops.size());
    rows.first.reserve(flows_ + 1);
    for (std::size_t flow = 0; flow < flow_.size(); ++flow) {
      if (flow_[flow] == 0) {
        continue;
      }
      row_[flow] = static_cast<std::uint32_t>(rows.size());
      classes.representative.push_back(static_cast<std::uint32_t>(flow));
      for_each_hop(flow, [&](const Routes::Hop& hop) {
        if (number[hop.channel] == FlowClasses::kNoRow) {
          number[hop.channel] = static_cast<std::uint32_t>(rows.capacity.size());
          rows.capacity.push_back(problem_.capacity[hop.channel]);
        }
        rows.add(number[hop.channel], hop.share * multiplicity(flow));
      });
      rows.end_row();
    }
  }

  const FlowProblem& problem_;
  std::vector<Colour> flow_;  ///< 0: left out
  std::vector<std::uint32_t> row_;
  std::vector<Colour> channel_;  ///< 0: can hold up no flow
  std::vector<Colour> on_channel_;
  std::atomic<std::size_t> flows_ = 0;  ///< that are not left out
};

}  // namespace

FlowClasses classify_flows(const FlowProblem& problem, std::vector<std::uint64_t> labels) {
  MOESAIC_ASSERT(labels.size() == problem.flows());
  return Classes(problem, std::move(labels)).result();
}

}  // namespace moesaic
