// Which rows stand together, under which names.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include "calibrate/communication_peak.hpp"
#include "calibrate/kernel_model.hpp"
#include "reports/collective_validation.hpp"
#include "reports/names.hpp"

namespace moesaic {
namespace {

double size_of(const MeasurementKey& key, const ShapeValues& shape) {
  return key.family == Family::collective ? shape[0] : shape[6];
}

double nodes_of(const MeasurementKey& key, const ShapeValues& shape) {
  return key.family == Family::collective ? std::ceil(shape[1] / std::max(1.0, shape[2])) : shape[4];
}

double ranks_of(const MeasurementKey& key, const ShapeValues& shape) {
  return key.family == Family::collective ? shape[1] : shape[3];
}

/// Of the power of ten at or below; a logarithm alone would put some powers into the decade before.
int decade_of(double size) {
  const double known = std::max(1.0, size);
  const int exponent = static_cast<int>(std::log10(known));
  return exponent + (std::pow(10.0, exponent + 1) <= known ? 1 : 0) - (std::pow(10.0, exponent) > known ? 1 : 0);
}

std::string power_of_ten(int exponent, bool bytes) {
  if (!bytes) {
    return count_text(std::pow(10.0, exponent));
  }
  constexpr const char* kUnits[] = {"B", "kB", "MB", "GB", "TB", "PB"};
  const int unit = std::min(exponent / 3, 5);
  return fmt::format("{:.0f} {}", std::pow(10.0, exponent - 3 * unit), kUnits[unit]);
}

/// A name, and where it stands among the others.
using Name = std::pair<double, std::string>;

struct By {
  const char* name;
  Name (*group)(const MeasurementKey& key, const ShapeValues& shape, const JudgedRow& row);
};

constexpr By kBys[] = {
    {"collective",
     [](const MeasurementKey& key, const ShapeValues&, const JudgedRow&) {
       return Name{0, collective_of(key)};
     }},
    {"implementation",
     [](const MeasurementKey& key, const ShapeValues&, const JudgedRow&) {
       return Name{0, implementation_of(key)};
     }},
    {"device",
     [](const MeasurementKey& key, const ShapeValues&, const JudgedRow&) {
       return Name{0, key.device};
     }},
    {"ranks",
     [](const MeasurementKey& key, const ShapeValues& shape, const JudgedRow&) {
       return Name{ranks_of(key, shape), ranks_text(key, shape)};
     }},
    {"size",
     [](const MeasurementKey& key, const ShapeValues& shape, const JudgedRow&) {
       const double after_collectives = key.family == Family::collective ? 0 : 1000;
       return Name{after_collectives + decade_of(size_of(key, shape)), size_text(key, shape)};
     }},
    {"mode",
     [](const MeasurementKey&, const ShapeValues&, const JudgedRow& row) {
       return Name{0, std::string(name(row.mode))};
     }},
};

}  // namespace

std::string_view name(NodePlace place) { return place == NodePlace::inside ? "inside" : "across"; }

std::string_view title(NodePlace place) { return place == NodePlace::inside ? "inside a node" : "across nodes"; }

double collective_target(NodePlace place) { return place == NodePlace::inside ? 0.05 : 0.10; }

NodePlace node_place(const Validation& validation, const JudgedRow& row) {
  return crosses_nodes(key_of(validation, row), measurement_of(validation, row).shape) ? NodePlace::across
                                                                                       : NodePlace::inside;
}

std::string collective_of(const MeasurementKey& key) {
  if (key.family == Family::collective) {
    return std::string(name(measured_collective(key.kernel)));
  }
  for (const char* direction : {"dispatch", "combine", "prepare"}) {
    if (key.kernel.find(direction) != std::string::npos) {
      return direction;
    }
  }
  return key.kernel;
}

std::string implementation_of(const MeasurementKey& key) {
  const auto slash = key.kernel.find('/');
  std::string variant = slash == std::string::npos ? "" : key.kernel.substr(slash + 1);
  if (key.family == Family::expert_exchange && variant.empty()) {
    variant = key.kernel.substr(0, key.kernel.rfind('_'));  // DeepEP's kernels: "normal_dispatch"
  }
  return variant.empty() ? key.stack : key.stack + ' ' + variant;
}

std::string ranks_text(const MeasurementKey& key, const ShapeValues& shape) {
  const double nodes = nodes_of(key, shape), ranks = ranks_of(key, shape);
  return nodes > 1 ? fmt::format("{:.0f} ranks on {:.0f} nodes", ranks, nodes) : fmt::format("{:.0f} ranks", ranks);
}

std::string size_text(const MeasurementKey& key, const ShapeValues& shape) {
  const int decade = decade_of(size_of(key, shape));
  const bool bytes = key.family == Family::collective;
  return fmt::format("{} to {}{}", power_of_ten(decade, bytes), power_of_ten(decade + 1, bytes),
                     bytes ? "" : " tokens");
}

std::vector<CollectiveGroup> collective_groups(const Validation& validation) {
  const std::vector<JudgedRow>& rows = validation.judgement.rows;
  std::vector<CollectiveGroup> groups;
  for (const NodePlace place : kNodePlaces) {
    RowSet all;
    for (std::uint32_t i = 0; i < rows.size(); ++i) {
      if (node_place(validation, rows[i]) == place) {
        all.push_back(i);
      }
    }
    if (all.empty()) {
      continue;
    }
    groups.push_back({place, "place", std::string(name(place)), all, score(validation.judgement, all)});
    for (const By& by : kBys) {
      std::map<Name, RowSet> sorted;
      for (const std::uint32_t i : all) {
        sorted[by.group(key_of(validation, rows[i]), measurement_of(validation, rows[i]).shape, rows[i])].push_back(i);
      }
      for (auto& [group, set] : sorted) {
        JudgedGroup scores = score(validation.judgement, set);
        groups.push_back({place, by.name, group.second, std::move(set), std::move(scores)});
      }
    }
  }
  return groups;
}

}  // namespace moesaic
