#include "base/catalog.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <optional>

#include "tests/user_error.hpp"

namespace moesaic {
namespace {

namespace fs = std::filesystem;

class Catalog : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = testing::TempDir() + "moesaic-catalog-XXXXXX";
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    root_ = name;
    for (const char* file : {"models/deepseek-ai--DeepSeek-V3.json", "models/deepseek-ai--DeepSeek-V2-Lite.json",
                             "models/Qwen--Qwen3-8B.json", "models/Qwen--Qwen3-80B.json", "models/old/tiny.json",
                             "models/notes.txt", "machines/h100-sxm.json", "machines/h100-pcie.json"}) {
      write(file);
    }
    if (const char* before = std::getenv("MOESAIC_CONFIGS")) {
      before_ = before;
    }
    setenv("MOESAIC_CONFIGS", root_.c_str(), 1);
  }
  void TearDown() override {
    before_ ? setenv("MOESAIC_CONFIGS", before_->c_str(), 1) : unsetenv("MOESAIC_CONFIGS");
    fs::remove_all(root_);
  }

  void write(const fs::path& file) const {
    fs::create_directories((root_ / file).parent_path());
    std::ofstream(root_ / file) << "{}";
  }

  static std::string model(const std::string& typed) { return find_in_catalog("models", "model", typed).name; }
  static std::string refusal(const std::string& typed) {
    return user_error([&] { return find_in_catalog("models", "model", typed); });
  }

  fs::path root_;
  std::optional<std::string> before_;
};

TEST_F(Catalog, FindsByTheNameOfTheFile) {
  EXPECT_EQ(find_in_catalog("models", "model", "deepseek-ai--DeepSeek-V3").name, "deepseek-ai/DeepSeek-V3");
}

TEST_F(Catalog, ListsSortedNames) {
  std::vector<std::string> names;
  for (const CatalogEntry& entry : list_catalog("models")) {
    names.push_back(entry.name);
    EXPECT_TRUE(fs::exists(entry.file));
  }
  EXPECT_EQ(names, (std::vector<std::string>{"Qwen/Qwen3-80B", "Qwen/Qwen3-8B", "deepseek-ai/DeepSeek-V2-Lite",
                                             "deepseek-ai/DeepSeek-V3", "tiny"}));
  EXPECT_TRUE(list_catalog("absent").empty());
}

TEST_F(Catalog, FindsWhatWasMeant) {
  EXPECT_EQ(model("deepseek-ai/DeepSeek-V3"), "deepseek-ai/DeepSeek-V3");
  EXPECT_EQ(model("DEEPSEEK-AI/deepseek-v3"), "deepseek-ai/DeepSeek-V3");
  EXPECT_EQ(model("deepseek-v3"), "deepseek-ai/DeepSeek-V3");
  EXPECT_EQ(model("v2-lite"), "deepseek-ai/DeepSeek-V2-Lite");
  EXPECT_EQ(model("Qwen3-8B"), "Qwen/Qwen3-8B");
  EXPECT_EQ(model("TINY"), "tiny");
}

TEST_F(Catalog, PrefersAFile) {
  const std::string file = (root_ / "models/Qwen--Qwen3-8B.json").string();
  EXPECT_EQ(find_in_catalog("machines", "machine", file).name, "Qwen/Qwen3-8B");
  EXPECT_EQ(find_in_catalog("machines", "machine", (root_ / "models/notes.txt").string()).name, "notes");
}

TEST_F(Catalog, ExplainsWhatItCannotFind) {
  EXPECT_EQ(refusal("deepseek"),
            "model 'deepseek' is ambiguous: deepseek-ai/DeepSeek-V2-Lite, deepseek-ai/DeepSeek-V3");
  EXPECT_EQ(refusal("Qwen/Qwen3-9B"), "unknown model 'Qwen/Qwen3-9B' (did you mean 'Qwen/Qwen3-8B'?)");
  EXPECT_EQ(refusal("deepsek-v3"), "unknown model 'deepsek-v3' (did you mean 'deepseek-ai/DeepSeek-V3'?)");
  EXPECT_TRUE(refusal("gpt").starts_with("unknown model 'gpt'; allowed: Qwen/Qwen3-80B, "));
  EXPECT_EQ(refusal(""), "the name of the model is empty");
  EXPECT_EQ(refusal("/nowhere/x.json"), "/nowhere/x.json: no such file");
  EXPECT_TRUE(refusal("a\nb").starts_with("unknown model 'a\\nb'"));
}

TEST_F(Catalog, ExplainsDirectories) {
  const std::string folder = (root_ / "checkpoint").string();
  fs::create_directories(folder);
  EXPECT_EQ(refusal(folder), "model '" + folder + "' is a directory, not a file");
  write("checkpoint/config.json");
  EXPECT_EQ(refusal(folder),
            "model '" + folder + "' is a directory, not a file (did you mean '" + folder + "/config.json'?)");
  fs::create_directories(root_ / "d.json");
  EXPECT_TRUE(refusal((root_ / "d.json").string()).ends_with("is a directory, not a file"));
}

TEST_F(Catalog, ListsAtMostEightCandidates) {
  for (int i = 0; i < 12; ++i) {
    write("models/many--same-" + std::to_string(i) + "x.json");
  }
  EXPECT_TRUE(refusal("same").ends_with("many/same-5x and 4 more")) << refusal("same");
}

TEST_F(Catalog, RefusesAWrongDirectory) {
  setenv("MOESAIC_CONFIGS", "/nowhere", 1);
  EXPECT_EQ(refusal("tiny"), "MOESAIC_CONFIGS is '/nowhere', which is not a directory");
  setenv("MOESAIC_CONFIGS", "", 1);  // as if it were not set
  EXPECT_EQ(config_directory().filename(), "configs");
}

}  // namespace
}  // namespace moesaic
