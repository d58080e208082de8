// Enumerations hold every mapping that is valid, once, and no other.
#include "model/mapping_space.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <numeric>
#include <set>

#include "base/error.hpp"
#include "tests/model/draw.hpp"
#include "tests/model/random_architecture.hpp"
#include "tests/model/replicas.hpp"

namespace moesaic {
namespace {

bool checked(const Architecture& architecture, const Mapping& mapping, const Machine& machine) {
  try {
    check_mapping(architecture, mapping, machine);
    return parse_mapping(to_text(mapping), mapping.devices()) == mapping;
  } catch (const UserError&) {
    return false;
  }
}

/// Property: the predicate and the check with messages agree.
RC_GTEST_PROP(MappingSpace, WorksIsWhatTheCheckTakes, ()) {
  const Architecture architecture = any_architecture();
  const Machine machine = many("dgx-h100", 16);
  Mapping mapping;
  mapping.tensor = static_cast<int>(up_to(8));
  mapping.data = static_cast<int>(up_to(8));
  mapping.context = static_cast<int>(up_to(2));
  mapping.pipeline = static_cast<int>(up_to(4));
  mapping.virtual_stages = static_cast<int>(up_to(3));
  mapping.expert = any_of<int>({1, 2, 3, 4, 8});
  mapping.expert_slices = any_of<int>({0, 1, 2});
  mapping.sequence = coin();
  const int stage = mapping.stage_devices();
  RC_PRE(stage % (mapping.expert * std::max(1, mapping.expert_slices)) == 0);
  RC_ASSERT(mapping_works(architecture, mapping, machine) == checked(architecture, mapping, machine));
}

/// Property: every listed mapping is valid, has a divisor of the devices, and is listed once.
RC_GTEST_PROP(MappingSpace, ListsOnlyWhatWorks, ()) {
  const Architecture architecture = any_architecture();
  const int devices = any_of<int>({1, 2, 4, 6, 8, 16});
  const Machine machine = many("dgx-h100", 16);
  std::set<std::string> seen;
  const auto mappings =
      list_mappings(architecture, machine, {.devices = devices, .most_virtual_stages = 4, .separate = coin()});
  for (const Mapping& mapping : mappings) {
    RC_ASSERT(devices % mapping.devices() == 0);
    RC_ASSERT(checked(architecture, mapping, machine));
    RC_ASSERT(seen.insert(to_text(mapping)).second);
    RC_ASSERT(mapping.tensor > 1 || !mapping.sequence);
  }
}

/// Agreement: as many as nested loops over all degrees find, each of which the check takes.
TEST(MappingSpace, ListsAllThatWork) {
  const Architecture architecture = preset("mistralai/Mixtral-8x7B-v0.1");
  const Machine machine = many("dgx-h100", 8);
  std::set<std::string> wanted;
  for (int tp = 1; tp <= 8; ++tp) {
    for (int cp = 1; tp * cp <= 8; ++cp) {
      for (int pp = 1; tp * cp * pp <= 8; ++pp) {
        for (int dp = 1; tp * cp * pp * dp <= 8; ++dp) {
          for (int ep = 1; ep <= tp * cp * dp; ++ep) {
            for (int etp = 1; ep * etp <= tp * cp * dp; ++etp) {
              for (const bool sp : {false, true}) {
                Mapping mapping{.tensor = tp, .data = dp, .expert = ep, .pipeline = pp, .context = cp};
                mapping.sequence = sp;
                if (8 % mapping.devices() != 0 || (tp * cp * dp) % (ep * etp) != 0 || (sp && tp == 1)) {
                  continue;
                }
                mapping.expert_slices = ep * etp == tp * cp * dp ? 0 : etp;
                if (checked(architecture, mapping, machine)) {
                  wanted.insert(to_text(mapping));
                }
              }
            }
          }
        }
      }
    }
  }
  std::set<std::string> listed;
  for (const Mapping& mapping : list_mappings(architecture, machine, {.devices = 8, .separate = false})) {
    listed.insert(to_text(mapping));
  }
  EXPECT_EQ(listed, wanted);
  EXPECT_GT(wanted.size(), 100U);
}

/// Unit: the mapping that is used when none is given is among them.
TEST(MappingSpace, HoldsTheDefault) {
  const Machine machine = many("dgx-h200", 16);
  for_every_model([&](const Architecture& architecture) {
    for (const int devices : {1, 2, 4, 8, 16}) {
      const Mapping usual = default_mapping(architecture, devices);
      if (!mapping_works(architecture, usual, machine)) {
        continue;  // so many devices divide nothing of it
      }
      const auto all = list_mappings(architecture, machine, {.devices = devices, .separate = false});
      EXPECT_NE(std::find(all.begin(), all.end(), usual), all.end()) << to_text(usual);
    }
  });
}

/// Unit: data-parallel groups that share nothing are copies, unless they are trained together.
TEST(MappingSpace, LeavesOutWhatFallsApart) {
  const Architecture dense = preset("meta-llama/Llama-3.1-8B");
  const Machine machine = many("dgx-h100", 8);
  for (const Mapping& mapping : list_mappings(dense, machine, {.devices = 8})) {
    EXPECT_EQ(mapping.data, 1) << to_text(mapping);
  }
  for (const Mapping& mapping : list_mappings(preset("mistralai/Mixtral-8x7B-v0.1"), machine, {.devices = 8})) {
    EXPECT_EQ(std::gcd(mapping.data, mapping.expert_data()), 1) << to_text(mapping);
  }
  const auto trained = list_mappings(dense, machine, {.devices = 8, .separate = false});
  EXPECT_TRUE(std::any_of(trained.begin(), trained.end(), [](const Mapping& m) { return m.data == 8; }));
}

/// Unit: on 12 devices of nodes of 8, copies of 3 or 6 would start on a node that another has begun.
TEST(MappingSpace, CopiesFillNodes) {
  const Machine cluster = machine_named("h800-cluster");
  for (const Mapping& mapping : list_mappings(preset("deepseek-ai/DeepSeek-V3"), cluster, {.devices = 24})) {
    EXPECT_TRUE(8 % mapping.devices() == 0 || mapping.devices() % 8 == 0) << to_text(mapping);
  }
}

}  // namespace
}  // namespace moesaic
