// Formats, files and determinism of what the commands print.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/apps/run.hpp"
#include "tests/schema/violation.hpp"

namespace moesaic {
namespace {

using Json = nlohmann::json;

constexpr const char* kLoad = " --batch 16 --input 512 --output 64 ";

TEST(Output, PredictionsFitTheSchema) {
  for (const char* line : {"--model Mixtral-8x7B --machine dgx-h100", "--model DeepSeek-V3 --machine dgx-h100",
                           "--model Llama-3.1-405B --machine t4", "--model gpt-oss-120b --machine h100-sxm",
                           "--model Mixtral-8x7B --machine xeon-8380-a40 --placement streamed",
                           "--model Mixtral-8x7B --machine duplex-4 --placement two-unit"}) {
    const Ran ran = run_line(std::string("predict ") + line + kLoad + "--format json");
    ASSERT_EQ(ran.code, 0) << ran.err;
    EXPECT_EQ(violation("prediction.json", ran.out), "") << line;
  }
}

TEST(Output, WaterfallAddsUpInTheJson) {
  const Ran ran = run_line(std::string("predict --model DeepSeek-V3 --machine dgx-h200 --map tp=1,dp=8,ep=8") + kLoad +
                           "--format json");
  const Json json = Json::parse(ran.out);
  double sum = json["decode"]["limit_seconds_per_step"];
  for (const Json& bar : json["waterfall"]) {
    sum += bar["seconds"].get<double>();
  }
  EXPECT_NEAR(sum, json["decode"]["seconds_per_step"], 1e-9 * sum);
}

TEST(Output, SameBytesTwice) {
  for (const char* format : {"text", "json", "html"}) {
    const std::string line = std::string("predict --model DeepSeek-V2-Lite --machine h100-sxm --routing zipf:0.8") +
                             kLoad + "--format " + format;
    EXPECT_EQ(run_line(line).out, run_line(line).out) << format;
  }
}

TEST(Output, ComparesSeveralOfAnything) {
  const Ran ran =
      run_line(std::string("compare --model Mixtral-8x7B --machine dgx-a100,dgx-h100 --map tp=8 --map tp=4") + kLoad +
               "--format json");
  ASSERT_EQ(ran.code, 0) << ran.err;
  const Json json = Json::parse(ran.out);
  ASSERT_EQ(json["predictions"].size(), 4u);
  EXPECT_EQ(json["predictions"][0]["machine"], "dgx-a100");
  EXPECT_EQ(json["predictions"][3]["machine"], "dgx-h100");
  EXPECT_EQ(json["predictions"][3]["devices"], 4);
  for (const Json& prediction : json["predictions"]) {
    EXPECT_EQ(violation("prediction.json", prediction.dump()), "");
  }
}

// Different numbers of devices beside each other; more than a node has are several nodes.
TEST(Output, ComparesMachinesOfDifferentSizes) {
  const Ran ran = run_line(std::string("compare --model Mixtral-8x7B --machine duplex-gpu:4,duplex-gpu:8,duplex-8:16") +
                           kLoad + "--format json");
  ASSERT_EQ(ran.code, 0) << ran.err;
  const Json predictions = Json::parse(ran.out)["predictions"];
  EXPECT_EQ(predictions[0]["devices"], 4);
  EXPECT_EQ(predictions[1]["devices"], 8);
  EXPECT_EQ(predictions[2]["devices"], 16);
  const Ran text = run_line(std::string("compare --model Mixtral-8x7B --machine duplex-gpu:4,duplex-4") + kLoad);
  EXPECT_EQ(text.out.find("devices"), std::string::npos) << text.out;  // alike: no row for them
}

TEST(Output, ComparesMemoriesApart) {
  const auto compared = [](const char* machines) {
    return run_line(std::string("compare --model Mixtral-8x7B --machine ") + machines + kLoad).out;
  };
  EXPECT_NE(compared("duplex-4,gpu-pim-2").find("near memory, per device"), std::string::npos);
  EXPECT_EQ(compared("duplex-4,duplex-8").find("near memory, per device"), std::string::npos);
}

// Embedding, head and sampling are outside the layers; what is left is the rest of the step.
TEST(Output, LayersAloneAreTheStepWithoutItsEnds) {
  const std::string line = "explain --model Llama-3.1-8B --machine h100-sxm --profile ideal --format json --scope ";
  const Json whole = Json::parse(run_line(line + "model").out), layers = Json::parse(run_line(line + "layers").out);
  double ends = 0;
  for (const Json& row : whole["operators"]) {
    const bool outside = row["block"] == "input" || row["block"] == "output";
    ends += outside ? row["seconds"].get<double>() * row["count"].get<double>() : 0;
  }
  EXPECT_GT(ends, 0);
  EXPECT_NEAR(layers["step_seconds"].get<double>() + ends, whole["step_seconds"].get<double>(), 1e-12);
  for (const Json& row : layers["operators"]) {
    EXPECT_TRUE(row["block"] != "input" && row["block"] != "output") << row["operator"];
  }
  const Ran predicted = run_line("predict --model Llama-3.1-8B --machine h100-sxm --scope layers");
  EXPECT_NE(predicted.out.find("layers alone"), std::string::npos);
  expect_mistake("predict --model Llama-3.1-8B --machine h100-sxm --scope layer", {"--scope", "'layer'", "layers"});
}

TEST(Output, ColoursAndUnicodeOnlyOnATerminal) {
  const std::vector<std::string> line = words(std::string("predict --model Qwen3-8B --machine h100-sxm") + kLoad);
  const auto plain = [](const std::string& text) {
    return std::all_of(text.begin(), text.end(), [](char c) { return c == '\n' || (c >= 0x20 && c < 0x7F); });
  };
  EXPECT_TRUE(plain(run(line, false).out));
  EXPECT_FALSE(plain(run(line, true).out));
}

TEST(Output, FileAppearsWhole) {
  namespace fs = std::filesystem;
  const fs::path folder = fresh_folder();
  fs::remove_all(folder);
  fs::create_directories(folder);
  const std::string file = (folder / "page.html").string();
  const Ran ran =
      run_line(std::string("predict --model Qwen3-8B --machine h100-sxm") + kLoad + "--format html -o " + file);
  ASSERT_EQ(ran.code, 0) << ran.err;
  EXPECT_EQ(ran.out, "");
  EXPECT_GT(fs::file_size(file), 100000u);  // the chart library is inside
  EXPECT_EQ(std::distance(fs::directory_iterator(folder), {}), 1);
}

// Only files are replaced: a link keeps leading where it led, and a device or a pipe stays one.
TEST(Output, LinksAndPipesStay) {
  namespace fs = std::filesystem;
  const fs::path folder = fresh_folder();
  fs::remove_all(folder);
  fs::create_directories(folder / "elsewhere");
  std::ofstream(folder / "elsewhere" / "model.json") << "old";
  fs::create_symlink(folder / "elsewhere" / "model.json", folder / "link");
  ASSERT_EQ(mkfifo((folder / "pipe").c_str(), 0600), 0);
  const std::string line = std::string("predict --model Qwen3-8B --machine h100-sxm") + kLoad + "-o ";
  const std::string expected = run_line(line.substr(0, line.size() - 3)).out;

  EXPECT_EQ(run_line(line + (folder / "link").string()).code, 0);
  EXPECT_TRUE(fs::is_symlink(folder / "link"));
  std::stringstream arrived;
  arrived << std::ifstream(folder / "elsewhere" / "model.json").rdbuf();
  EXPECT_EQ(arrived.str(), expected);

  const int reader = open((folder / "pipe").c_str(), O_RDWR);
  ASSERT_GE(reader, 0);
  EXPECT_EQ(run_line(line + (folder / "pipe").string()).code, 0);
  EXPECT_TRUE(fs::is_fifo(folder / "pipe"));
  std::string piped(expected.size(), ' ');
  EXPECT_EQ(read(reader, piped.data(), piped.size()), static_cast<ssize_t>(expected.size()));
  EXPECT_EQ(piped, expected);
  close(reader);
}

TEST(Output, AFullDiskIsAMistake) {
  std::ofstream full("/dev/full");
  std::ostringstream err;
  EXPECT_EQ(run_cli({"models"}, full, err, false), 2);
  EXPECT_EQ(err.str(), "moesaic: cannot write to standard output\n");
}

}  // namespace
}  // namespace moesaic
