#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "base/config.hpp"
#include "tests/user_error.hpp"

namespace moesaic {
namespace {

namespace fs = std::filesystem;

class ConfigLoad : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = testing::TempDir() + "moesaic-load-XXXXXX";
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    folder_ = name;
  }
  void TearDown() override { fs::remove_all(folder_); }

  fs::path write(const std::string& name, std::string_view text) const {
    std::ofstream(folder_ / name, std::ios::binary) << text;
    return folder_ / name;
  }

  std::string refusal(const fs::path& file) const {
    const std::string message = user_error([&] { return Config::load(file); });
    EXPECT_TRUE(message.starts_with(file.string() + ": ")) << message;
    return message.substr(std::min(message.size(), file.string().size() + 2));
  }

  fs::path folder_;
};

TEST_F(ConfigLoad, ReadsAFile) {
  const fs::path file = write("a.json", R"({"x": 3})");
  const Config root = Config::load(file);
  EXPECT_EQ(root.at("x").positive(), 3);
  EXPECT_EQ(root.origin(), file.string());
}

TEST_F(ConfigLoad, RefusesWhatIsNotAFile) {
  EXPECT_EQ(refusal(folder_ / "absent.json"), "no such file");
  EXPECT_EQ(refusal(folder_), "a directory, not a file");
  EXPECT_EQ(refusal("/dev/zero"), "not a regular file");
  ASSERT_EQ(mkfifo((folder_ / "fifo").c_str(), 0600), 0);
  EXPECT_EQ(refusal(folder_ / "fifo"), "not a regular file");
  fs::create_symlink(folder_ / "loop", folder_ / "loop");
  EXPECT_EQ(refusal(folder_ / "loop"), "Too many levels of symbolic links");
  EXPECT_EQ(refusal(write("a.json", "") / "below"), "no such file");
  const fs::path secret = write("secret.json", "{}");
  fs::permissions(secret, fs::perms::none);
  if (geteuid() != 0) {  // root may read everything
    EXPECT_EQ(refusal(secret), "cannot be opened for reading");
  }
}

TEST_F(ConfigLoad, RefusesHugeFilesBeforeReading) {
  const fs::path file = write("huge.json", "");
  fs::resize_file(file, (64u << 20) + 1);
  EXPECT_EQ(refusal(file), "larger than 64 MiB, which no configuration needs");
}

struct Malformed {
  std::string text;
  const char* message;
};

TEST(ConfigParse, NamesLineAndColumn) {
  const Malformed cases[] = {
      {"", "line 1, column 1: the file is empty"},
      {" \n ", "line 2, column 2: the file is empty"},
      {"{\"a\": 1,\n \"b\": }", "line 2, column 7: syntax error while parsing value - unexpected '}'"},
      {"{\"a\": [1, 2", "line 1, column 12: the text ends too early"},
      {"{\"a\": \"abc", "line 1, column 11: the text ends too early"},
      {"{\"a\" 12345}", "line 1, column 6: syntax error while parsing object separator - unexpected number literal"},
      {"{}\n}", "line 2, column 1: syntax error while parsing value - unexpected '}'"},
      {"[1,\n NaN]", "line 2, column 2: NaN is not allowed in JSON"},
      {"[Infinity]", "line 1, column 2: Infinity is not allowed in JSON"},
      {"{\"x\": -Infinity}", "line 1, column 7: -Infinity is not allowed in JSON"},
      {"[1,\n  1e999]", "line 2, column 3: the number 1e999 is out of range"},
      {"[\"a\nb\"]", "line 1, column 4: syntax error while parsing value - invalid string"},
      {"[\"\xff\"]", "line 1, column 2: syntax error while parsing value - invalid string"},
      {"{'a': 1}", "line 1, column 2: syntax error while parsing object key - invalid literal"},
      {"// note\n{}", "line 1, column 1: syntax error while parsing value - invalid literal"},
      {"[01]", "line 1, column 3: syntax error while parsing array - unexpected number literal"},
      {"[1,]", "line 1, column 4: syntax error while parsing value - unexpected ']'"},
      {std::string("{}\0{}", 5), "line 1, column 3: a NUL byte: this is not a text file"},
      {"{\"a\": {\"b\": 1, \"b\": 2}}", "a.b: duplicate key 'b'"},
      {"[{}, {\"k\": 0, \"k\": 0}]", "1.k: duplicate key 'k'"},
      {"{\"\": 0, \"\": 0}", ": duplicate key ''"},
  };
  for (const auto& [text, message] : cases) {
    const std::string found = user_error([&text = text] { return Config::parse(text, "f.json"); });
    EXPECT_TRUE(found.starts_with(std::string("f.json: ") + message)) << found << "\nexpected: " << message;
    EXPECT_EQ(found.find("json.exception"), found.npos) << found;
  }
}

TEST(ConfigParse, ReportsLongNonsenseShortly) {
  const std::string found =
      user_error([] { return Config::parse("[\"" + std::string(1 << 20, 'x') + "\n", "f.json"); });
  EXPECT_LT(found.size(), 300u);
}

TEST(ConfigParse, LimitsTheNesting) {
  const auto nested = [](std::size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); };
  EXPECT_TRUE(Config::parse(nested(100), "f.json").is_array());
  for (const std::size_t depth : {std::size_t{101}, std::size_t{1'000'000}}) {
    const std::string found = user_error([&] { return Config::parse(nested(depth), "f.json"); });
    EXPECT_TRUE(found.ends_with("nested deeper than 100 levels")) << found;
  }
  std::string objects;
  for (int i = 0; i < 100'000; ++i) {
    objects += "{\"a\":";
  }
  EXPECT_LT(user_error([&] { return Config::parse(objects, "f.json"); }).size(), 500u);
}

TEST(ConfigParse, IsQuickForManyKeys) {
  std::string text = "{";
  for (int i = 0; i < 200'000; ++i) {
    text += "\"key" + std::to_string(i) + "\": 0, ";
  }
  EXPECT_EQ(Config::parse(text + "\"last\": 1}", "f.json").keys().size(), 200'001u);
}

}  // namespace
}  // namespace moesaic
