// moesaic serve, as a user types it.
#include <algorithm>
#include <filesystem>
#include <fstream>

#include "apps/request_trace.hpp"
#include "apps/study_runner.hpp"
#include "tests/apps/json_run.hpp"
#include "tests/user_error.hpp"

namespace moesaic {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

const std::string kOn = "serve --model Mixtral-8x7B --machine dgx-h100 --devices 4 ";
const std::string kServe = kOn + "--batch 16 --requests 100 ";

double number(const Json& json, const char* first, const char* second) { return json[first][second].get<double>(); }

/// A file of this test's own.
std::string written(const std::string& name, const std::string& text) {
  fs::create_directories(fresh_folder());
  const std::string file = (fs::path(fresh_folder()) / name).string();
  std::ofstream(file) << text;
  return file;
}

TEST(ServeCommand, ClosedLoop) {
  const Json json = json_of(kServe + "--input gaussian:500:100 --output 50", "serving.json");
  EXPECT_EQ(json["load"]["arrivals"], "closed-loop");
  EXPECT_EQ(json["load"]["warm_up"], 16);
  EXPECT_EQ(json["counted"], 100);
  EXPECT_EQ(json["complete"], true);
  EXPECT_NEAR(json["mean_running"].get<double>(), 16, 1e-9);
  EXPECT_GT(number(json, "ttft", "p99_s"), number(json, "ttft", "p50_s"));
  EXPECT_GT(number(json, "steps", "mixed_share"), 0.1);
  EXPECT_FALSE(json.contains("goals"));
  EXPECT_NEAR(number(json, "throughput", "output_tokens_per_s_per_device") * 4,
              number(json, "throughput", "output_tokens_per_s"), 1e-6);
}

TEST(ServeCommand, PoissonArrivalsAndGoals) {
  const Json json = json_of(kServe + "--rate 2.5 --prompts exclusive --slo ttft=10s,tbt.p50=1us", "serving.json");
  EXPECT_EQ(json["load"]["rate_per_s"], 2.5);
  EXPECT_EQ(json["steps"]["mixed"], 0);
  EXPECT_EQ(json["goals"][0]["figure"], "ttft.p99");
  EXPECT_EQ(json["goals"][0]["holds"], true);
  EXPECT_EQ(json["goals"][1]["holds"], false);
}

TEST(ServeCommand, FindsTheRate) {
  const Json json = json_of(kServe + "--input 500 --output 50 --find-rate", "serving.json");
  const double found = number(json, "sustainable", "rate_per_s");
  EXPECT_EQ(json["load"]["rate_per_s"], found);
  EXPECT_GT(found, number(json, "sustainable", "closed_loop_per_s") * 0.7);
  EXPECT_LT(found, number(json, "sustainable", "closed_loop_per_s") * 1.3);
  const Ran text = run_line(kServe + "--input 500 --output 50 --find-rate --slo tbt=1s");
  EXPECT_NE(text.out.find("highest sustainable rate"), std::string::npos) << text.out << text.err;
  EXPECT_NE(text.out.find("tbt.p99 <= 1.00 s"), std::string::npos) << text.out;
}

TEST(ServeCommand, IsTheSameEveryTimeAndAnotherWithAnotherSeed) {
  const std::string line = kServe + "--rate 3 --input gaussian:500:100 --output uniform:1:99 --format ";
  for (const char* format : {"text", "json", "csv", "html"}) {
    EXPECT_EQ(run_line(line + format).out, run_line(line + format).out);
  }
  EXPECT_NE(run_line(line + "csv").out, run_line(line + "csv --seed 2").out);
}

TEST(ServeCommand, CsvHasALineForEveryRequest) {
  const Ran ran = run_line(kServe + "--input 500 --output uniform:1:50 --format csv");
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_TRUE(ran.out.starts_with("arrival_s,start_s,first_token_s,end_s,input,output\n"));
  EXPECT_EQ(std::count(ran.out.begin(), ran.out.end(), '\n'), 101);
}

TEST(ServeCommand, PageShowsTheSame) {
  const Ran page = run_line(kServe + "--input 500 --output 50 --rate 3 --format html");
  EXPECT_EQ(page.code, 0) << page.err;
  for (const char* word : {"<!DOCTYPE html>", "time to first token (TTFT)", "Poisson arrivals", "requests/s"}) {
    EXPECT_NE(page.out.find(word), std::string::npos) << word;
  }
}

// All that fit: one more does not.
TEST(ServeCommand, LargestBatch) {
  const std::string line = "serve --model Mixtral-8x7B --machine dgx-h100 --devices 4 --input 8000 --output 192 ";
  const Json most = json_of(line + "--batch max --requests 10 --warm-up 0", "serving.json");
  const auto batch = most["load"]["batch"].get<std::int64_t>();
  EXPECT_GT(batch, 100);
  expect_mistake(line + "--batch " + std::to_string(batch + 1), {"--batch", std::to_string(batch).c_str(), "memory"});
}

TEST(ServeCommand, TracesGiveLengths) {
  const std::vector<std::pair<std::string, std::string>> files = {
      {"a.csv", "input,output\n500,10\n700,30\n"},
      {"azure.csv",
       "TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:15:46,500,10\n2023-11-16 18:15:50,700,30\n"},
      {"a.json", R"({"source": "here", "requests": [{"input": 500, "output": 10}, {"input": 700, "output": 30}]})"}};
  for (const auto& [name, text] : files) {
    const std::string file = written(name, text);
    const Json json = json_of(kServe + "--trace " + file, "serving.json");
    EXPECT_EQ(json["load"]["mean_input"], 600) << name;
    EXPECT_EQ(json["load"]["mean_output"], 20) << name;
    EXPECT_EQ(json["load"]["trace"], file);
  }
}

TEST(ServeCommand, BadTraces) {
  const std::vector<std::tuple<std::string, std::string, const char*>> files = {
      {"a.csv", "in,out\n1,2\n", "'input'"},
      {"b.csv", "input,output\n1,2\n1,0\n", "line 3: output: '0'"},
      {"c.csv", "input,output\n1.5,2\n", "line 2: input: '1.5'"},
      {"d.csv", "input,output\n1\n", "line 2"},
      {"e.csv", "input,output\n", "no requests"},
      {"f.csv", "", "'input'"},
      {"a.json", R"({"requests": []})", "no requests"},
      {"b.json", R"({"requests": [{"input": 0, "output": 1}]})", "requests.0.input"},
      {"c.json", R"({"requests": [{"input": 5, "outpt": 1}]})", "output"},
      {"d.json", R"({"requests": )", "d.json"}};
  for (const auto& [name, text, mention] : files) {
    const std::string file = written(name, text);
    const std::string message = user_error([&] { read_request_trace(file); });
    EXPECT_NE(message.find(mention), std::string::npos) << message;
    EXPECT_NE(message.find(name), std::string::npos) << message;
  }
  expect_mistake(kServe + "--trace " + fresh_folder(), {"--trace", "not a file"});
  expect_mistake(kServe + "--trace no-such.csv", {"--trace", "no such file"});
  expect_mistake(kServe + "--trace no-such.csv --input 5", {"--trace", "--input"});
}

TEST(ServeCommand, Mistakes) {
  expect_mistake(kServe + "--rate 0", {"--rate", "closed loop"});
  expect_mistake(kServe + "--rate -1", {"--rate"});
  expect_mistake(kServe + "--rate nan", {"--rate"});
  expect_mistake(kServe + "--rate 3 --find-rate", {"--rate", "--find-rate"});
  expect_mistake(kServe + "--input gausian:5:1", {"--input", "did you mean 'gaussian'"});
  expect_mistake(kServe + "--input 0", {"--input", "0"});
  expect_mistake(kServe + "--output uniform:5:1", {"--output"});
  expect_mistake(kOn + "--requests 0", {"--requests", "0"});
  expect_mistake(kOn + "--requests x", {"--requests", "x"});
  expect_mistake(kServe + "--warm-up -1", {"--warm-up"});
  expect_mistake(kServe + "--seed -1", {"--seed"});
  expect_mistake(kServe + "--step-tokens 0", {"--step-tokens"});
  expect_mistake(kServe + "--prompts both", {"--prompts", "both"});
  expect_mistake(kServe + "--slo tpt=1ms", {"--slo", "tpt", "did you mean"});
  expect_mistake(kServe + "--find-rate --slo ttft=1us", {"--find-rate", "ttft=1us"});
  expect_mistake(kOn + "--requests 100 --find-rate --batch 64", {"--requests", "256"});
  expect_mistake(kServe + "--input 32000 --output 1000", {"32000 + 1000", "32768"});
  expect_mistake(kOn + "--batch 99999999", {"--batch", "99999999"});
  expect_mistake(kOn + "--batch many", {"--batch", "many"});
  expect_mistake("serve --model Mixtral-8x7B --machine dgx-h100 --devices 1", {"not even one request"});
  expect_mistake(kServe + "-o /no/such/folder/x.json", {"-o", "no folder"});
}

// What docs/serve.md shows of studies: two machines beside each other, and a trace of the study's own.
TEST(ServeCommand, StudiesSetRunsBesideEachOther) {
  const Config config = Config::parse(R"({
    "define": {"traces": {"two": {"requests": [{"input": 500, "output": 10}, {"input": 700, "output": 30}]}}},
    "a": {"serve": {"model": "Mixtral-8x7B", "machine": "dgx-a100", "devices": 4, "trace": "two", "requests": 50}},
    "h": {"serve": {"model": "Mixtral-8x7B", "machine": "dgx-h100", "devices": 4, "trace": "two", "requests": 50}}
  })",
                                      "study.json");
  StudyCommands commands(read_definitions(config));
  const NamedValues a = commands.run(read_run("a", config.at("a"))), h = commands.run(read_run("h", config.at("h")));
  EXPECT_EQ(a.at("load.mean_input"), 600);
  for (const char* name : {"tbt.p50_s", "tbt.p99_s", "ttft.p50_s", "e2e.mean_s", "e2e.p50_s"}) {
    EXPECT_GT(a.at(name), h.at(name)) << name;
  }
  EXPECT_LT(a.at("throughput.output_tokens_per_s"), h.at("throughput.output_tokens_per_s"));
}

}  // namespace
}  // namespace moesaic
