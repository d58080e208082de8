// Every command's --help has an example that works as pasted.
#include <filesystem>

#include "apps/select.hpp"
#include "base/error.hpp"
#include "tests/apps/run.hpp"

namespace moesaic {
namespace {

namespace fs = std::filesystem;

/// The words of the first example of a command's help, without the program's name.
std::vector<std::string> example_of(std::vector<std::string> command) {
  command.push_back("--help");
  const Ran help = run(command);
  EXPECT_EQ(help.code, 0);
  EXPECT_EQ(help.err, "");
  const auto at = help.out.find("  moesaic ");
  if (at == std::string::npos) {
    ADD_FAILURE() << help.out;
    return {};
  }
  std::vector<std::string> example = words(help.out.substr(at, help.out.find('\n', at) - at));
  example.erase(example.begin());
  return example;
}

void expect_to_work(const std::vector<std::string>& example) {
  const Ran ran = run(example);
  EXPECT_EQ(ran.code, 0) << testing::PrintToString(example) << "\n" << ran.err;
  EXPECT_FALSE(ran.out.empty()) << testing::PrintToString(example);
}

TEST(Help, ExamplesWorkAsPasted) {
  for (const std::vector<std::string>& command : std::vector<std::vector<std::string>>{{},
                                                                                       {"predict"},
                                                                                       {"closed-form"},
                                                                                       {"compare"},
                                                                                       {"explain"},
                                                                                       {"cache"},
                                                                                       {"dram"},
                                                                                       {"experts"},
                                                                                       {"search"},
                                                                                       {"serve"},
                                                                                       {"stream"},
                                                                                       {"machines"},
                                                                                       {"machines", "show"},
                                                                                       {"models"},
                                                                                       {"models", "show"},
                                                                                       {"overlap"},
                                                                                       {"pipeline"},
                                                                                       {"topology"}}) {
    expect_to_work(example_of(command));
  }
}

/// Works in a folder of its own while it lives: these examples write files.
class Folder {
 public:
  explicit Folder(const std::string& folder) : before_(fs::current_path()), folder_(folder) {
    fs::create_directories(folder_);
    fs::current_path(folder_);
  }
  ~Folder() {
    fs::current_path(before_);
    fs::remove_all(folder_);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

 private:
  fs::path before_, folder_;
};

TEST(Help, ExamplesOfMeasuring) {
  const Folder folder(fresh_folder());
  std::vector<std::string> calibrate = example_of({"calibrate"});
  calibrate.insert(calibrate.end(), {"--seconds", "0.01"});  // as pasted it takes the default 100
  expect_to_work(calibrate);
  EXPECT_TRUE(fs::exists("this-computer.json"));
}

TEST(Help, ExamplesOfValidating) {
  // The largest one takes long, so it only has to be understood.
  const Ran operators = [] {
    std::vector<std::string> example = example_of({"validate", "operators"});
    example.insert(example.end(), {"--data", "no-such-folder"});
    return run(example);
  }();
  EXPECT_TRUE(operators.err.starts_with("moesaic: no-such-folder: no such")) << operators.err;
  try {
    default_operator_data();
  } catch (const UserError&) {
    GTEST_SKIP() << "no measurements here";
  }
  const Folder folder(fresh_folder());
  expect_to_work(example_of({"validate"}));
  expect_to_work(example_of({"validate", "steps"}));
  expect_to_work(example_of({"validate", "collectives"}));
  EXPECT_TRUE(fs::exists("collectives.html"));
}

TEST(Help, VersionIsPrinted) {
  const Ran ran = run({"--version"});
  EXPECT_EQ(ran.code, 0);
  EXPECT_TRUE(ran.out.starts_with("moesaic ")) << ran.out;
}

}  // namespace
}  // namespace moesaic
