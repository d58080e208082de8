#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <cmath>

#include "base/config.hpp"
#include "tests/user_error.hpp"

namespace moesaic {
namespace {

constexpr const char* kMachine = R"({
  "device": {"memory": {"bandwidth": "3 TB/s"}, "units": [{"name": "gpu"}, {"name": "cpu"}], "a.b": {"c": 1}},
  "count": 8
})";

Config machine() { return Config::parse(kMachine, "m.json"); }

TEST(ConfigSet, ReplacesOneValue) {
  const Config root = machine();
  const Config edited = root.set("device.memory.bandwidth", "8TB/s");
  EXPECT_EQ(edited.at("device").at("memory").at("bandwidth").quantity<BytesPerSecond>().value, 8e12);
  EXPECT_EQ(edited.at("count").positive(), 8);
  EXPECT_EQ(edited.origin(), "m.json");
  EXPECT_EQ(root.at("device").at("memory").at("bandwidth").string(), "3 TB/s");  // the original is as it was
  EXPECT_EQ(edited.set("device.units.1.name", "npu").at("device").at("units").elements()[1].at("name").string(), "npu");
  EXPECT_EQ(root.set("device.a.b.c", "5").at("device").at("a.b").at("c").positive(), 5);  // a key with a dot
  EXPECT_TRUE(root.set("device", "null").at("device").is_null());
}

TEST(ConfigSet, TakesJsonElseText) {
  const auto set = [](std::string_view value) { return machine().set("count", value).at("count"); };
  EXPECT_EQ(set("4").positive(), 4);
  EXPECT_EQ(set("-2.5").number(), -2.5);
  EXPECT_TRUE(set("true").boolean());
  EXPECT_EQ(set("[1, 2]").elements().size(), 2u);
  EXPECT_EQ(set(R"({"x": 1})").at("x").positive(), 1);
  EXPECT_EQ(set(R"("4")").string(), "4");
  for (const char* text : {"", "h100", "4 us", "08", "NaN", "1e999", "{\"x\":", "True", "[1, 2", "4 5"}) {
    EXPECT_EQ(set(text).string(), text);
  }
}

TEST(ConfigSet, RefusesUnknownPaths) {
  const struct {
    const char* path;
    const char* message;
  } cases[] = {
      {"device.memry.bandwidth", "no such setting 'memry' in 'device' (did you mean 'memory'?)"},
      {"devce", "no such setting 'devce' in m.json (did you mean 'device'?)"},
      {"zzzzzz", "no such setting 'zzzzzz' in m.json; allowed: device, count"},
      {"", "no such setting '' in m.json; allowed: device, count"},
      {"device.", "no such setting '' in 'device'; allowed: memory, units, a.b"},
      {"device..x", "no such setting '' in 'device'; allowed: memory, units, a.b"},
      {"count.x", "no such setting 'x' in 'count', which is a number"},
      {"device.units.2.name", "no such element '2' in 'device.units'; allowed: 0 to 1"},
      {"device.units.gpu", "no such element 'gpu' in 'device.units'; allowed: 0 to 1"},
      {"device.units.-1", "no such element '-1' in 'device.units'; allowed: 0 to 1"},
      {"device.units.", "no such element '' in 'device.units'; allowed: 0 to 1"},
      {"device.units.99999999999999999999",
       "no such element '99999999999999999999' in 'device.units'; allowed: 0 to 1"},
  };
  for (const auto& [path, message] : cases) {
    EXPECT_EQ(user_error([path = path] { return machine().set(path, "1"); }),
              std::string("--set ") + path + ": " + message);
  }
  const std::string message = user_error([] { return machine().set("a\nb", "1"); });
  EXPECT_TRUE(message.starts_with("--set a\\nb: ")) << message;
}

TEST(ConfigWithMember, NamesTheFileEachPartCameFrom) {
  const Config other = Config::parse(R"({"h100": {"tdp": "700 J"}, "n": 1})", "other.json");
  const Config root = machine().with_member("device", other.at("h100")).with_member("more", other);
  EXPECT_EQ(root.keys(), (std::vector<std::string>{"device", "count", "more"}));
  EXPECT_EQ(root.at("device").origin(), "other.json");
  EXPECT_EQ(root.at("count").origin(), "m.json");
  EXPECT_EQ(root.at("device").at("tdp").path(), "device.tdp");
  const auto watts = [](const Config& value) { return user_error([&] { return value.quantity<Watts>(); }); };
  EXPECT_TRUE(watts(root.at("device").at("tdp")).starts_with("other.json: h100.tdp: "));
  EXPECT_TRUE(watts(root.at("more").at("n")).starts_with("other.json: n: "));
  EXPECT_TRUE(watts(root.at("count")).starts_with("m.json: count: "));
  EXPECT_EQ(root.set("device.tdp", "700 W").at("device").at("tdp").quantity<Watts>().value, 700);
  EXPECT_EQ(user_error([&] { return other.at("n").with_member("x", other).at("zz"); }), "other.json: missing key 'zz'");
  EXPECT_EQ(user_error([&] { return Config::parse("[]", "a.json").with_member("x", other); }),
            "a.json: expected an object, found an array of 0");
}

// An object with keys k0, k1, ... nested `depth` deep; `path` receives the way to its innermost value.
std::string nested(int depth, std::string& path) {
  if (depth == 0) {
    return "0";
  }
  const int width = *rc::gen::inRange(1, 4);
  const int way = *rc::gen::inRange(0, width);
  std::string text;
  for (int i = 0; i < width; ++i) {
    text += (i > 0 ? ", " : "") + ("\"k" + std::to_string(i)) + "\": ";
    if (i == way) {
      path += (path.empty() ? "k" : ".k") + std::to_string(i);
      text += nested(depth - 1, path);
    } else {
      text += "\"other\"";
    }
  }
  return "{" + text + "}";
}

Config follow(Config config, const std::string& path) {
  for (std::size_t start = 0; start <= path.size();) {
    const std::size_t end = std::min(path.find('.', start), path.size());
    config = config.at(path.substr(start, end - start));
    start = end + 1;
  }
  return config;
}

RC_GTEST_PROP(ConfigSetProperty, ThenAtReturnsTheValue, ()) {
  std::string path;
  const Config root = Config::parse(nested(*rc::gen::inRange(1, 6), path), "m.json");
  const double number = *rc::gen::arbitrary<int>() / 16.0;
  const Config changed = follow(root.set(path, std::to_string(number)), path);
  RC_ASSERT(std::abs(changed.number() - number) < 1e-4);
  RC_ASSERT(changed.path() == path);
  const auto text = "text " + *rc::gen::string<std::string>();
  RC_ASSERT(follow(root.set(path, text), path).string() == text);
  RC_ASSERT(follow(root, path).integer() == 0);
}

RC_GTEST_PROP(ConfigDumpProperty, ParsesBack, ()) {
  std::string path;
  const Config root = Config::parse(nested(*rc::gen::inRange(1, 6), path), "m.json");
  RC_ASSERT(Config::parse(root.dump(), "again").dump(0) == root.dump(0));
}

}  // namespace
}  // namespace moesaic
