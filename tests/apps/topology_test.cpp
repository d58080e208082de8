// moesaic topology on the command line.
#include <filesystem>
#include <fstream>

#include "tests/apps/run.hpp"
#include "tests/schema/violation.hpp"

namespace moesaic {
namespace {

TEST(TopologyCommand, ListsAndShows) {
  const Ran list = run_line("topology");
  EXPECT_EQ(list.code, 0) << list.err;
  EXPECT_NE(list.out.find("dgx-h100-superpod"), std::string::npos);
  const Ran shown = run_line("topology ft2-64");
  EXPECT_EQ(shown.code, 0) << shown.err;
  EXPECT_NE(shown.out.find("links between switches  2,048"), std::string::npos) << shown.out;
}

TEST(TopologyCommand, JsonIsAContract) {
  const Ran ran = run_line("topology h800-mpft --format json");
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_EQ(violation("topology_report.json", ran.out), "");
}

TEST(TopologyCommand, WritesAPage) {
  const std::string file = fresh_folder() + ".html";
  const Ran ran = run_line("topology slim-fly-5 --format html -o " + file);
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_EQ(ran.out, "");
  std::ostringstream page;
  page << std::ifstream(file).rdbuf();
  EXPECT_NE(page.str().find("<svg class=\"scene\""), std::string::npos);
  std::filesystem::remove(file);
}

TEST(TopologyCommand, MistakesAreOneLine) {
  const auto expect_error = [](const std::string& line, const std::string& error) {
    const Ran ran = run_line(line);
    EXPECT_EQ(ran.code, 2);
    EXPECT_EQ(ran.out, "");
    EXPECT_EQ(ran.err, "moesaic: " + error + "\n");
  };
  expect_error("topology ft2-46", "unknown topology 'ft2-46' (did you mean 'ft2-64'?)");
  expect_error("topology --format json", "--format: the list of topologies is text; name one for json or html");
  expect_error("topology ft2-64 -o no-such-folder/page.html",
               "-o: cannot write 'no-such-folder/page.html': there is no folder 'no-such-folder'");
}

}  // namespace
}  // namespace moesaic
