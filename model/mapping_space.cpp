#include "model/mapping_space.hpp"

#include <algorithm>
#include <numeric>

namespace moesaic {
namespace {

/// Largest first.
std::vector<int> divisors_of(int number) {
  std::vector<int> divisors;
  for (int i = 1; i <= number / i; ++i) {
    if (number % i == 0) {
      divisors.push_back(i);
      if (i != number / i) {
        divisors.push_back(number / i);
      }
    }
  }
  std::sort(divisors.rbegin(), divisors.rend());
  return divisors;
}

/// Whether copies of so many devices, one after another, fill `all` without one that starts on another's last node.
bool copies_fill_nodes(int replica, int all, const Machine& machine) {
  return all <= machine.devices || replica == all || machine.devices % replica == 0 || replica % machine.devices == 0;
}

class Lister {
 public:
  Lister(const Architecture& architecture, const Machine& machine, const MappingSpace& space)
      : architecture_(architecture), machine_(machine), space_(space), experts_(has_experts(architecture)) {}

  std::vector<Mapping> list() {
    std::vector<int> sizes = divisors_of(space_.devices);
    std::reverse(sizes.begin(), sizes.end());
    for (const int devices : sizes) {
      if ((space_.copies || devices == space_.devices) && devices <= machine_.total_devices() &&
          copies_fill_nodes(devices, space_.devices, machine_)) {
        for (const int tensor : divisors_of(devices)) {
          if (tensor_works(architecture_, tensor)) {
            Mapping mapping;
            mapping.tensor = tensor;
            attention(mapping, devices / tensor);
          }
        }
      }
    }
    return std::move(found_);
  }

 private:
  void attention(Mapping mapping, int rest) {
    for (const int context : divisors_of(space_.context ? rest : 1)) {
      mapping.context = context;
      for (const int pipeline : divisors_of(space_.pipeline ? rest / context : 1)) {
        mapping.pipeline = pipeline;
        mapping.data = rest / context / pipeline;
        if (pipeline <= architecture_.layer_count()) {
          experts(mapping);
        }
      }
    }
  }

  void experts(Mapping mapping) {
    const int stage = mapping.stage_devices();
    if (!experts_) {
      rest(mapping);
      return;
    }
    for (const int expert : divisors_of(stage)) {
      mapping.expert = expert;
      for (const int slices : divisors_of(stage / expert)) {
        mapping.expert_slices = slices == stage / expert ? 0 : slices;
        rest(mapping);
      }
    }
  }

  void rest(Mapping mapping) {
    const int most = mapping.pipeline > 1 ? space_.most_virtual_stages : 1;
    for (mapping.virtual_stages = 1; mapping.virtual_stages <= most; mapping.virtual_stages *= 2) {
      for (const bool sequence : {false, true}) {
        const bool allowed = mapping.tensor == 1    ? !sequence
                             : space_.only_sequence ? sequence
                                                    : !sequence || space_.sequence;
        mapping.sequence = sequence;
        if (allowed && !falls_apart(mapping) && mapping_works(architecture_, mapping, machine_)) {
          found_.push_back(mapping);
        }
      }
    }
  }

  /// Whether copies of a smaller replica are the same: what its experts' copies and the groups of sequences are both
  /// multiples of.
  bool falls_apart(const Mapping& mapping) const {
    const int parts = std::gcd(mapping.data, experts_ ? mapping.expert_data() : mapping.data);
    return space_.separate && parts > 1 && copies_fill_nodes(mapping.devices() / parts, space_.devices, machine_);
  }

  const Architecture& architecture_;
  const Machine& machine_;
  const MappingSpace& space_;
  bool experts_;
  std::vector<Mapping> found_;
};

}  // namespace

std::vector<Mapping> list_mappings(const Architecture& architecture, const Machine& machine,
                                   const MappingSpace& space) {
  return Lister(architecture, machine, space).list();
}

}  // namespace moesaic
