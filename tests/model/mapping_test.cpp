// Mappings as users write them, the default one, and what contradicts an architecture.
#include "model/mapping_text.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <string>
#include <vector>

#include "tests/model/replicas.hpp"
#include "tests/user_error.hpp"

namespace moesaic {
namespace {

TEST(ParseMapping, FillsInWhatIsMissing) {
  EXPECT_EQ(parse_mapping("tp=8,ep=4,dp=2", std::nullopt), (Mapping{8, 2, 4}));
  EXPECT_EQ(parse_mapping("ep=4,dp=2,tp=8", 16), (Mapping{8, 2, 4}));
  EXPECT_EQ(parse_mapping("dp=2", 8), (Mapping{4, 2, 1}));
  EXPECT_EQ(parse_mapping("ep=8", 8), (Mapping{8, 1, 8}));
  EXPECT_EQ(parse_mapping("tp=4", std::nullopt), (Mapping{4, 1, 1}));
  EXPECT_EQ(parse_mapping("", 8), (Mapping{8, 1, 1}));
  EXPECT_EQ(parse_mapping("", std::nullopt), (Mapping{1, 1, 1}));
}

TEST(ParseMapping, ReadsEveryDegree) {
  const Mapping mapping = parse_mapping("tp=2,cp=4,pp=8,dp=16,ep=32,etp=1,vpp=3,sp=1", 1024);
  EXPECT_EQ(mapping, (Mapping{2, 16, 32, 8, 4, 1, 3, true}));
  EXPECT_EQ(mapping.stage_devices(), 128);
  EXPECT_EQ(mapping.expert_data(), 4);
  EXPECT_EQ(to_text(mapping), "tp=2,ep=32,dp=16,pp=8,vpp=3,cp=4,etp=1,sp=1");
}

TEST(ParseMapping, TheFreeDegreeTakesWhatIsLeft) {
  EXPECT_EQ(parse_mapping("pp=4,dp=2", 64).tensor, 8);
  EXPECT_EQ(parse_mapping("pp=4,tp=2", 64, FreeDegree::data).data, 8);
  EXPECT_EQ(parse_mapping("pp=4", 64, FreeDegree::data), (Mapping{1, 16, 1, 4}));
}

// Ranks of a group are all different, and the groups of a kind cover the stage: ranks x stride grow level by level.
TEST(Mapping, GroupsNestFromTensorToPipeline) {
  const Mapping mapping = parse_mapping("tp=2,cp=4,pp=8,dp=16,ep=16,etp=4", 1024);
  EXPECT_EQ(mapping.tensor_group(), (RankGroup{2, 1}));
  EXPECT_EQ(mapping.context_group(), (RankGroup{4, 2}));
  EXPECT_EQ(mapping.data_group(), (RankGroup{16, 8}));
  EXPECT_EQ(mapping.replica_group(), (RankGroup{64, 2}));
  EXPECT_EQ(mapping.expert_tensor_group(), (RankGroup{4, 1}));
  EXPECT_EQ(mapping.expert_group(), (RankGroup{16, 4}));
  EXPECT_EQ(mapping.expert_data_group(), (RankGroup{2, 64}));
  EXPECT_EQ(mapping.pipeline_group(), (RankGroup{8, 128}));
}

RC_GTEST_PROP(ParseMappingProperty, RoundTrips, ()) {
  Mapping mapping;
  mapping.tensor = *rc::gen::inRange(1, 1000);
  mapping.data = *rc::gen::inRange(1, 20);
  mapping.context = *rc::gen::inRange(1, 10);
  mapping.pipeline = *rc::gen::inRange(1, 5);
  mapping.virtual_stages = *rc::gen::inRange(1, 5);
  mapping.sequence = *rc::gen::arbitrary<bool>();
  std::vector<int> divisors;
  for (int i = 1; i <= mapping.stage_devices(); ++i) {
    if (mapping.stage_devices() % i == 0) {
      divisors.push_back(i);
    }
  }
  mapping.expert = *rc::gen::elementOf(divisors);
  RC_ASSERT(parse_mapping(to_text(mapping), std::nullopt) == mapping);
  RC_ASSERT(parse_mapping(to_text(mapping), mapping.devices()) == mapping);
}

// Whatever is typed is either understood or refused in one line.
RC_GTEST_PROP(ParseMappingProperty, AnyTextIsReadOrRefused, ()) {
  const auto text = *rc::gen::container<std::string>(rc::gen::elementOf(std::string("tpedcvsx=,0123456789-. \n\x80")));
  try {
    const Mapping mapping = parse_mapping(text, std::nullopt);
    RC_ASSERT(mapping.tensor >= 1 && mapping.data >= 1 && mapping.expert >= 1);
    RC_ASSERT(mapping.stage_devices() % (mapping.expert * mapping.expert_tensor()) == 0);
  } catch (const UserError& error) {
    for (const char c : std::string(error.what())) {
      RC_ASSERT(c >= 0x20 && c < 0x7F);
    }
  }
}

struct Mistake {
  std::string text;
  std::optional<int> devices;
  std::vector<std::string> says;  ///< parts of the message
};

TEST(ParseMapping, NamesTheMistake) {
  const Mistake mistakes[] = {
      {"tp=8,xp=2", {}, {"unknown key 'xp'", "tp"}},
      {"TP=8", {}, {"unknown key 'TP'", "did you mean 'tp'"}},
      {"tp8", {}, {"unknown key 'tp8'", "did you mean 'tp'"}},
      {"tp", {}, {"'tp'", "no value", "tp=8"}},
      {"tp=", {}, {"tp=", "whole number from 1"}},
      {"tp=0", {}, {"tp=0", "whole number from 1"}},
      {"tp=-4", {}, {"tp=-4"}},
      {"tp=+4", {}, {"tp=+4"}},
      {"tp=4.0", {}, {"tp=4.0"}},
      {"tp= 4", {}, {"tp= 4"}},
      {"tp=4 ", {}, {"tp=4 "}},
      {"tp=99999999999999999999", {}, {"tp=99999999999999999999", "1048576"}},
      {"tp=1048576,dp=2", {}, {"2097152 devices", "1048576"}},
      {"tp=4,tp=4", {}, {"'tp' is given twice"}},
      {"tp=4,,dp=2", {}, {"unknown key ''"}},
      {"tp=4;dp=2", {}, {"tp=4;dp=2"}},
      {"tp=4", 8, {"4 x 1 = 4 devices", "there are 8", "tp=8,dp=1"}},
      {"tp=4,dp=4", 8, {"16 devices", "there are 8", "tp=4,dp=2"}},
      {"dp=3", 8, {"there are 8", "tp=2,dp=4"}},
      {"tp=8,pp=3,dp=1", 16, {"tp x pp x dp = 8 x 3 x 1 = 24 devices", "there are 16", "tp=8,pp=2,dp=1"}},
      {"tp=1048576,cp=1048576,pp=1048576,dp=1048576", {}, {"devices", "1048576"}},
      {"tp=4,pp=2,ep=8", 8, {"ep=8", "4 devices of a pipeline stage", "the nearest that works is ep=4"}},
      {"tp=8,ep=2,etp=3", {}, {"etp=3", "4 devices", "the nearest that works is etp=2"}},
      {"sp=2", {}, {"sp=2", "0 nor 1"}},
      {"tp=8,ep=3", {}, {"ep=3", "8 devices", "the nearest that works is ep=2"}},
      {"tp=8,ep=16", {}, {"ep=16", "8 devices", "the nearest that works is ep=8"}},
      {"tp=\n8", {}, {"tp=\\n8"}},
      {"t\x01p=8", {}, {"t\\x01p"}},
  };
  for (const Mistake& mistake : mistakes) {
    const std::string message = user_error([&] { return parse_mapping(mistake.text, mistake.devices); });
    EXPECT_EQ(message.rfind("--map: ", 0), 0U) << message;
    for (const std::string& part : mistake.says) {
      EXPECT_NE(message.find(part), message.npos) << message << "\n  lacks: " << part;
    }
  }
}

struct Contradiction {
  const char* model;
  Mapping mapping;
  int devices;
  std::vector<std::string> says;
};

TEST(CheckMapping, NamesTheNearestThatWorks) {
  const Contradiction contradictions[] = {
      {"Llama-3.1-8B", {8, 2, 1}, 8, {"tp=8,ep=1,dp=2 needs 16 devices", "has 8"}},
      {"Llama-3.1-8B", {6, 1, 1}, 8, {"tp=6", "32 query heads and 8 KV heads", "the nearest that works is tp=4"}},
      {"Llama-3.1-8B", {64, 1, 1}, 64, {"tp=64", "32 query heads", "the nearest that works is tp=32"}},
      {"Llama-3.1-8B", {4, 2, 8}, 8, {"ep=8", "no experts", "ep=1"}},
      {"Mixtral-8x7B", {1, 16, 16}, 16, {"ep=16", "8 experts", "the nearest that works is ep=8"}},
      {"Llama-3.1-8B", {1, 1, 1, 64}, 64, {"pp=64", "32 layers", "at most pp=32"}},
      {"Llama-3.1-8B", {1, 1, 1, 8, 1, 0, 8}, 8, {"8 x 8", "32 layers", "vpp=4 works with pp=8"}},
      {"DeepSeek-V3", {1, 6, 6}, 8, {"ep=6", "256 experts", "no ep works on 6 devices"}},
      // 24 experts of width 768 on 5 devices: 768 cannot be cut five ways, and 5 does not divide 128 experts.
      {"Qwen3-30B", {1, 5, 1}, 8, {"5 ways", "expert width 768", "no ep works on 5 devices"}},
      // Twelve devices: 768 / 12 and 768 / 4 work, 128 experts into 3 groups do not.
      {"Qwen3-30B", {1, 12, 3}, 16, {"ep=3", "128 experts", "the nearest that works is ep=2"}},
  };
  for (const Contradiction& found : contradictions) {
    const Architecture architecture = preset(found.model);
    Machine machine = many("dgx-h200", found.devices);
    machine.name = "many";
    const std::string message = user_error([&] {
      check_mapping(architecture, found.mapping, machine);
      return 0;
    });
    EXPECT_EQ(message.rfind("--map: ", 0), 0U) << message;
    for (const std::string& part : found.says) {
      EXPECT_NE(message.find(part), message.npos) << message << "\n  lacks: " << part;
    }
  }
}

const Machine& large_machine() {
  static const Machine machine = many("dgx-h200", 64);
  return machine;
}

bool works(const Architecture& architecture, const Mapping& mapping) {
  try {
    check_mapping(architecture, mapping, large_machine());
    return true;
  } catch (const UserError&) {
    return false;
  }
}

/// The mapping that a refusal advises, if it does. Advice on tp leaves ep open: the first that works.
std::optional<Mapping> advised(const Architecture& architecture, Mapping mapping, const std::string& message) {
  const std::string advice = "the nearest that works is ";
  const auto at = message.find(advice);
  if (at == message.npos) {
    return std::nullopt;
  }
  const std::string key = message.substr(at + advice.size(), 3);
  EXPECT_TRUE(key == "tp=" || key == "ep=") << message;
  (key == "tp=" ? mapping.tensor : mapping.expert) = std::stoi(message.substr(at + advice.size() + 3));
  for (int expert = 1; key == "tp=" && expert <= mapping.devices(); ++expert) {
    if (mapping.devices() % expert == 0 && works(architecture, {mapping.tensor, mapping.data, expert})) {
      mapping.expert = expert;
      break;
    }
  }
  return mapping;
}

TEST(CheckMapping, AdviceWorks) {
  int refused = 0, followed = 0;
  for_every_model([&](const Architecture& architecture) {
    for (const int tensor : {1, 3, 4, 7, 8, 12}) {
      for (const int data : {1, 2, 3}) {
        for (int expert = 1; expert <= tensor * data; ++expert) {
          const Mapping mapping{tensor, data, expert};
          if (mapping.devices() % expert != 0) {
            continue;
          }
          try {
            check_mapping(architecture, mapping, large_machine());
          } catch (const UserError& error) {
            ++refused;
            if (const auto better = advised(architecture, mapping, error.what())) {
              ++followed;
              EXPECT_NE(*better, mapping);
              EXPECT_TRUE(works(architecture, *better)) << error.what() << "\n  does not: " << to_text(*better);
            }
          }
        }
      }
    }
  });
  EXPECT_GT(followed, 500);
  EXPECT_GT(refused, followed);  // three groups do not divide the experts of some models, whatever the rest
}

// If any mapping of a model onto so many devices works, the default one does.
TEST(DefaultMapping, WorksWhereverOneDoes) {
  for_every_model([](const Architecture& architecture) {
    for (const int devices : {1, 2, 3, 4, 6, 8, 16, 64}) {
      const Mapping chosen = default_mapping(architecture, devices);
      EXPECT_EQ(chosen.devices(), devices);
      bool any = false;
      for (int tensor = 1; tensor <= devices; ++tensor) {
        for (int expert = 1; expert <= devices && devices % tensor == 0; ++expert) {
          any = any || (devices % expert == 0 && works(architecture, {tensor, devices / tensor, expert}));
        }
      }
      EXPECT_EQ(works(architecture, chosen), any) << to_text(chosen);
      EXPECT_TRUE(any || devices > 1);
    }
  });
}

TEST(DefaultMapping, PrefersTensorParallelism) {
  EXPECT_EQ(default_mapping(preset("Llama-3.1-8B"), 8), (Mapping{8, 1, 1}));
  EXPECT_EQ(default_mapping(preset("Mixtral-8x7B"), 8), (Mapping{8, 1, 1}));
  EXPECT_EQ(default_mapping(preset("DeepSeek-V3"), 8), (Mapping{8, 1, 1}));
  EXPECT_EQ(default_mapping(preset("Llama-3.1-8B"), 64), (Mapping{32, 2, 1}));
}

// What a wrong product should have been is a mapping that the network takes, where it takes any.
TEST(ParseMapping, AdviceOnProductsWorks) {
  int advised = 0;
  for (const char* model : {"Mixtral-8x22B", "Llama-3.1-8B", "DeepSeek-V3"}) {
    const Architecture architecture = preset(model);
    for (const char* text : {"tp=2,pp=100", "tp=3,dp=100", "tp=64,dp=3", "tp=2,pp=60,dp=2", "tp=2,dp=3,ep=8"}) {
      const std::string message = user_error([&] { return parse_mapping_of(architecture, text, 128); });
      const std::string before = "for example ";
      const auto at = message.find(before);
      ASSERT_NE(at, message.npos) << message;
      Mapping nearest = parse_mapping(message.substr(at + before.size()), 128);
      nearest.expert = std::string_view(text).ends_with("ep=8") ? 8 : 1;
      const bool any = mapping_works(architecture, nearest, many("dgx-h200", 128));
      EXPECT_TRUE(any || nearest.expert == 8) << model << ' ' << message;  // no experts: nothing works with ep=8
      advised += any;
    }
  }
  EXPECT_GE(advised, 13);
}

}  // namespace
}  // namespace moesaic
