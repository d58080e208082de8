#include "base/config.hpp"

#include <gtest/gtest.h>

#include <array>
#include <functional>

#include "tests/user_error.hpp"

namespace moesaic {
namespace {

Config config(std::string_view text) { return Config::parse(text, "m.json"); }

TEST(ConfigRead, Values) {
  const Config root = config(R"({"s": "x", "n": 2.5, "i": -3, "b": true, "z": null, "a": [1, [2]], "big": 1e3})");
  EXPECT_EQ(root.at("s").string(), "x");
  EXPECT_EQ(root.at("n").number(), 2.5);
  EXPECT_EQ(root.at("i").number(), -3);
  EXPECT_EQ(root.at("i").integer(), -3);
  EXPECT_EQ(root.at("big").positive(), 1000);
  EXPECT_TRUE(root.at("b").boolean());
  EXPECT_TRUE(root.at("z").is_null());
  EXPECT_EQ(root.keys(), (std::vector<std::string>{"s", "n", "i", "b", "z", "a", "big"}));
  ASSERT_EQ(root.at("a").elements().size(), 2u);
  EXPECT_EQ(root.at("a").elements()[1].elements()[0].path(), "a.1.0");
  EXPECT_EQ(root.path(), "");
  EXPECT_EQ(root.origin(), "m.json");
  EXPECT_TRUE(root.is_object() && root.at("a").is_array() && root.at("s").is_string() && root.at("n").is_number() &&
              root.at("b").is_boolean());
}

TEST(ConfigRead, AbsentAndNull) {
  const Config root = config(R"({"z": null, "n": 4})");
  EXPECT_FALSE(root.has("z"));
  EXPECT_TRUE(root.contains("z"));
  EXPECT_FALSE(root.contains("absent"));
  EXPECT_FALSE(root.find("z"));
  EXPECT_FALSE(root.find("absent"));
  EXPECT_EQ(root.find("n")->positive(), 4);
  EXPECT_EQ(root.positive_or("n", 7), 4);
  EXPECT_EQ(root.positive_or("z", 7), 7);
  EXPECT_EQ(root.non_negative_or("absent", 0), 0);
  EXPECT_EQ(root.number_or("absent", 0.5), 0.5);
  EXPECT_TRUE(root.boolean_or("absent", true));
  EXPECT_EQ(root.string_or("absent", "x"), "x");
}

TEST(ConfigRead, ExtremeIntegers) {
  EXPECT_EQ(config("-9223372036854775808").integer(), INT64_MIN);
  EXPECT_EQ(config("9223372036854775807").integer(), INT64_MAX);
  EXPECT_EQ(config("1099511627776").positive(), std::int64_t{1} << 40);
  EXPECT_EQ(config("0").non_negative(), 0);
  for (const char* text : {"9223372036854775808", "18446744073709551616", "1e19", "-1e19", "1e308"}) {
    const std::string message = user_error([&] { return config(text).integer(); });
    EXPECT_NE(message.find("out of range"), message.npos) << message;
  }
}

TEST(ConfigRead, Quantities) {
  const Config root = config(R"({"bandwidth": "3.35 TB/s", "wrong": "3.35 TB", "number": 3})");
  EXPECT_EQ(root.at("bandwidth").quantity<BytesPerSecond>().value, 3.35e12);
  EXPECT_EQ(user_error([&] { return root.at("wrong").quantity<BytesPerSecond>(); }),
            "m.json: wrong: \"3.35 TB\" is not a bandwidth: unit 'TB' does not fit (did you mean 'TB/s'?); "
            "write for example \"3.35 TB/s\"");
  const std::string message = user_error([&] { return root.at("number").quantity<BytesPerSecond>(); });
  EXPECT_EQ(message, "m.json: number: expected a quantity with its unit, such as \"3.35 TB/s\", found 3");
}

TEST(ConfigRead, WrongKinds) {
  const Config root = config(R"({"o": {"s": "x\ny", "n": 2.5, "i": -3, "z": null, "a": [1, 2], "O": {}, "b": true}})");
  const Config o = root.at("o");
  const struct {
    std::function<void()> call;
    const char* message;
  } cases[] = {
      {[&] { o.at("s").number(); }, R"(m.json: o.s: expected a number, found the string "x\ny")"},
      {[&] { o.at("s").elements(); }, R"(m.json: o.s: expected an array, found the string "x\ny")"},
      {[&] { o.at("n").string(); }, "m.json: o.n: expected a string, found 2.5"},
      {[&] { o.at("n").integer(); }, "m.json: o.n: expected an integer, found 2.5"},
      {[&] { o.at("b").integer(); }, "m.json: o.b: expected an integer, found true"},
      {[&] { o.at("i").positive(); }, "m.json: o.i: expected an integer from 1 to 1099511627776, found -3"},
      {[&] { o.at("i").non_negative(); }, "m.json: o.i: expected an integer from 0 to 1099511627776, found -3"},
      {[&] { o.at("z").boolean(); }, "m.json: o.z: expected true or false, found null"},
      {[&] { o.at("a").boolean(); }, "m.json: o.a: expected true or false, found an array of 2"},
      {[&] { o.at("a").at("x"); }, "m.json: o.a: expected an object, found an array of 2"},
      {[&] { o.at("a").has("x"); }, "m.json: o.a: expected an object, found an array of 2"},
      {[&] { o.at("a").keys(); }, "m.json: o.a: expected an object, found an array of 2"},
      {[&] { o.at("a").elements()[1].string(); }, "m.json: o.a.1: expected a string, found 2"},
      {[&] { o.at("O").number(); }, "m.json: o.O: expected a number, found an object"},
      {[&] { root.number(); }, "m.json: expected a number, found an object"},
      {[&] { o.string_or("i", "x"); }, "m.json: o.i: expected a string, found -3"},
      {[&] { o.at("absent"); }, "m.json: o: missing key 'absent'"},
      {[&] { o.fail("two\nlines"); }, R"(m.json: o: two\nlines)"},
  };
  for (const auto& [call, message] : cases) {
    EXPECT_EQ(user_error([&call = call] { return call(), 0; }), message);
  }
  EXPECT_EQ(user_error([] { return config(R"({"bandwith": 1})").at("bandwidth"); }),
            "m.json: missing key 'bandwidth' (is 'bandwith' a misspelling of it?)");
}

TEST(RejectUnknown, AcceptsWhatWasRead) {
  const Config root = config(R"({"a": 1, "b": {"c": [ {"d": 2} ]}, "note": {"any": 1}, "z": null})");
  root.at("a").positive();
  root.at("b").at("c").elements()[0].at("d").positive();
  root.ignore(std::array<std::string_view, 2>{"note", "never there"});
  EXPECT_FALSE(root.find("z"));
  root.reject_unknown();
}

TEST(RejectUnknown, NamesTheKeyAndTheNearest) {
  const Config root = config(R"({"device": {"memory": {"bandwith": 1}}, "list": [{"x": 1}, {"x": 1, "yy": 2}]})");
  const Config memory = root.at("device").at("memory");
  memory.find("bandwidth");
  memory.find("capacity");
  EXPECT_EQ(user_error([&] { return root.reject_unknown(), 0; }),
            "m.json: device.memory.bandwith: unknown key 'bandwith' (did you mean 'bandwidth'?)");
  memory.has("bandwith");
  EXPECT_EQ(user_error([&] { return root.reject_unknown(), 0; }), "m.json: list: unknown key 'list'; allowed: device");
  for (const Config& element : root.at("list").elements()) {
    element.at("x");
  }
  EXPECT_EQ(user_error([&] { return root.reject_unknown(), 0; }), "m.json: list.1.yy: unknown key 'yy'; allowed: x");
}

TEST(RejectUnknown, SharesReadsAmongCopiesAndForgetsNothing) {
  const Config root = config(R"({"a": {"b": 1}})");
  const Config copy = root;  // NOLINT: the copy is the point
  copy.at("a").at("b");
  root.reject_unknown();
  config(R"({})").reject_unknown();
  config("[1, {}]").reject_unknown();
  config("3").reject_unknown();
}

TEST(RejectUnknown, LeavesMembersAloneThatWereOnlyMentioned) {
  const Config root = config(R"({"a": {"b": 1}})");
  EXPECT_TRUE(root.has("a"));
  root.reject_unknown();
}

TEST(ConfigOutlives, TheRoot) {
  std::optional<Config> leaf;
  { leaf = config(R"({"a": {"b": "deep"}})").at("a").at("b"); }
  EXPECT_EQ(leaf->string(), "deep");
  EXPECT_EQ(leaf->path(), "a.b");
}

}  // namespace
}  // namespace moesaic
