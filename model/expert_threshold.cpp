#include "model/expert_threshold.hpp"

#include <algorithm>
#include <cmath>

namespace moesaic {
namespace {

double host_memory_rate(const MachineView& view) {
  return view.resources[view.host_unit().memory].capacity * view.attained.host_memory;
}

double host_seconds(const MachineView& view, const GroupedGemm& experts, const ExpertPart& part) {
  const UnitView& host = view.host_unit();
  const Work demand =
      work(Operator{.kind = OperatorKind::experts, .label = "experts", .shape = part_of(experts, part)});
  const double compute = demand.flops.value * host.seconds_per_flop[static_cast<std::size_t>(demand.arithmetic)];
  return std::max(compute / view.attained.host_compute, demand.memory().value / host_memory_rate(view));
}

/// Copies are read from the memory that the host computes from.
double link_seconds(const MachineView& view, double distinct, Bytes expert) {
  const double link = view.resources[*view.host_to_device].capacity * view.attained.host_link;
  return expert.value * distinct / std::min(link, host_memory_rate(view));
}

/// The largest whole number up to `most` for which `holds`, where it holds up to some number and not beyond.
template <class Holds>
double largest(double most, Holds holds) {
  most = std::floor(most);
  if (holds(most)) {
    return most;
  }
  double low = 0;
  while (most - low > 1) {
    const double middle = std::floor((low + most) / 2);
    (holds(middle) ? low : most) = middle;
  }
  return low;
}

}  // namespace

Seconds device_seconds(const MachineView& view, const GroupedGemm& experts, const ExpertPart& part) {
  if (part.rows <= 0) {
    return {};
  }
  const UnitView& device = view.units[0];
  const Work demand =
      work(Operator{.kind = OperatorKind::experts, .label = "experts", .shape = part_of(experts, part)});
  const double compute = demand.flops.value * device.seconds_per_flop[static_cast<std::size_t>(demand.arithmetic)];
  const double memory = demand.memory().value / view.resources[device.memory].capacity;
  return std::max({Seconds{compute / view.attained.device_compute}, Seconds{memory / view.attained.device_memory},
                   device.launch_latency, view.attained.device_operator});
}

double cheaper_up_to(const MachineView& view, const GroupedGemm& experts, Bytes expert) {
  const double link = link_seconds(view, 1, expert);
  return largest(std::max(1.0, experts.tokens), [&](double tokens) {
    const ExpertPart one{1, tokens, 1};
    return host_seconds(view, experts, one) <= link + device_seconds(view, experts, one).value;
  });
}

LoadSplit balanced(const MachineView& view, const GroupedGemm& experts, const ExpertPart& missing, Bytes expert,
                   const Foreseen& foreseen) {
  struct Ends {
    double host, link;       ///< of either way alone
    double together = 1;     ///< how much longer either takes while both read the host's memory
    double beside, product;  ///< of the device before, and on, what was copied in
    double host_end() const { return host + std::min(host, link) * (together - 1); }
    double device_end() const { return std::max(beside, link + std::min(host, link) * (together - 1)) + product; }
    double later() const { return std::max(host_end(), device_end()); }
  };
  // A copy that is waited for; the host's part has one of tokens and one of results.
  const double copy = view.host_link_latency.value + view.attained.handover.value;
  const double on_host = std::max(view.host_unit().launch_latency, view.attained.host_operator).value;
  const double memory = host_memory_rate(view);
  const auto ends = [&](const LoadSplit& split) {
    const double heavy = split.heavy.distinct;
    const double host = split.light.distinct > 0 ? host_seconds(view, experts, split.light) + on_host + 2 * copy : 0;
    if (heavy <= 0) {
      return Ends{.host = host, .link = 0, .beside = foreseen.beside.value, .product = 0};
    }
    const double late = heavy * (1 - foreseen.accuracy);
    const double guessed = foreseen.accuracy > 0 ? heavy * (1 + foreseen.extra) : 0;
    const double all = link_seconds(view, late + guessed, expert);
    const double link =
        copy + std::max(link_seconds(view, late, expert), all + foreseen.streamed.value - foreseen.window.value);
    const double read = host > 0 ? expert.value * (split.light.distinct / host + (late + guessed) / link) : 0;
    return Ends{.host = host,
                .link = link,
                .together = std::max(1.0, read / memory),
                .beside = foreseen.beside.value,
                .product = device_seconds(view, experts, split.heavy).value};
  };
  const auto up_to = [&](double most) { return split_by_load(missing, experts.tokens, most); };
  const double all_tokens = std::max(1.0, experts.tokens);
  const double host_first = largest(all_tokens, [&](double most) {
    const Ends at = ends(up_to(most));
    return at.host_end() <= at.device_end();
  });
  const LoadSplit fewer = up_to(host_first), more = up_to(host_first + 1);
  const Ends first = ends(fewer), last = ends(more);
  // Of experts with as many tokens as the next number, a part.
  const double lead = std::max(0.0, first.device_end() - first.host_end());
  const double lag = std::max(0.0, last.host_end() - last.device_end());
  const double part = lead + lag > 0 ? lead / (lead + lag) : 0;
  const auto between = [&](const ExpertPart& from, const ExpertPart& to) {
    ExpertPart result = from;
    result.rows += part * (to.rows - from.rows);
    result.distinct += part * (to.distinct - from.distinct);
    return result;
  };
  LoadSplit best = up_to(all_tokens);
  double best_end = ends(best).later();
  for (const LoadSplit& split :
       {more, LoadSplit{between(fewer.light, more.light), between(fewer.heavy, more.heavy)}, fewer, up_to(0)}) {
    constexpr double kClearly = 1 - 1e-9;
    if (const double end = ends(split).later(); end < best_end * kClearly) {
      best = split;
      best_end = end;
    }
  }
  return best;
}

}  // namespace moesaic
