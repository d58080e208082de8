// Every command's --help has an example that works as pasted.
#include "tests/apps/run.hpp"

namespace moesaic {
namespace {

const std::vector<std::string> kCommands[] = {{},           {"predict"},          {"compare"}, {"explain"},
                                              {"machines"}, {"machines", "show"}, {"models"},  {"models", "show"}};

TEST(Help, ExamplesWorkAsPasted) {
  for (std::vector<std::string> command : kCommands) {
    command.push_back("--help");
    const Ran help = run(command);
    ASSERT_EQ(help.code, 0);
    EXPECT_EQ(help.err, "");
    const auto at = help.out.find("  moesaic ");
    ASSERT_NE(at, std::string::npos) << help.out;
    const std::string line = help.out.substr(at, help.out.find('\n', at) - at);
    std::vector<std::string> arguments = words(line);
    arguments.erase(arguments.begin());
    const Ran example = run(arguments);
    EXPECT_EQ(example.code, 0) << line << "\n" << example.err;
    EXPECT_FALSE(example.out.empty()) << line;
  }
}

TEST(Help, VersionIsPrinted) {
  const Ran ran = run({"--version"});
  EXPECT_EQ(ran.code, 0);
  EXPECT_TRUE(ran.out.starts_with("moesaic ")) << ran.out;
}

}  // namespace
}  // namespace moesaic
