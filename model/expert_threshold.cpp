#include "model/expert_threshold.hpp"

#include <algorithm>
#include <cmath>

namespace moesaic {
namespace {

double host_seconds(const MachineView& view, const GroupedGemm& experts, const ExpertPart& part) {
  const UnitView& host = view.host_unit();
  const Work demand =
      work(Operator{.kind = OperatorKind::experts, .label = "experts", .shape = part_of(experts, part)});
  const double compute = demand.flops.value * host.seconds_per_flop[static_cast<std::size_t>(demand.arithmetic)];
  return std::max(compute / view.attained.host_compute,
                  demand.memory().value / (view.resources[host.memory].capacity * view.attained.host_memory));
}

double link_seconds(const MachineView& view, double distinct, Bytes expert) {
  return expert.value * distinct / (view.resources[*view.host_to_device].capacity * view.attained.host_link);
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

double cheaper_up_to(const MachineView& view, const GroupedGemm& experts, Bytes expert) {
  const double link = link_seconds(view, 1, expert);
  return largest(std::max(1.0, experts.tokens), [&](double tokens) {
    return host_seconds(view, experts, {1, tokens, 1}) <= link;
  });
}

double balanced_up_to(const MachineView& view, const GroupedGemm& experts, const ExpertPart& missing, Bytes expert) {
  struct Ends {
    double host, link;
  };
  const auto ends = [&](double most) {
    const LoadSplit split = split_by_load(missing, experts.tokens, most);
    return Ends{host_seconds(view, experts, split.light), link_seconds(view, split.heavy.distinct, expert)};
  };
  const double all = std::max(1.0, experts.tokens);
  const double host_first = largest(all, [&](double most) {
    const Ends at = ends(most);
    return at.host <= at.link;
  });
  const auto later = [&](double most) {
    const Ends at = ends(most);
    return std::max(at.host, at.link);
  };
  return later(host_first) <= later(host_first + 1) ? host_first : host_first + 1;
}

}  // namespace moesaic
