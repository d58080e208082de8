// What a user types wrongly: one clear line, exit code 2, nothing on standard output, nothing written.
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "tests/apps/run.hpp"

namespace moesaic {
namespace {

namespace fs = std::filesystem;

struct Mistake {
  const char* line;
  std::vector<const char*> mentions;  ///< words that the message must contain
};

constexpr const char* kGood = "predict --model Mixtral-8x7B-v0.1 --machine dgx-h100 ";

void expect_mistake(const std::string& line, const std::vector<const char*>& mentions) {
  const Ran ran = run_line(line);
  EXPECT_EQ(ran.code, 2) << line;
  EXPECT_EQ(ran.out, "") << line;
  EXPECT_EQ(std::count(ran.err.begin(), ran.err.end(), '\n'), 1) << ran.err;
  EXPECT_TRUE(ran.err.starts_with("moesaic: ")) << ran.err;
  for (const char* word : mentions) {
    EXPECT_NE(ran.err.find(word), std::string::npos) << line << "\n  said: " << ran.err << "  without: " << word;
  }
}

TEST(BadInput, WholeCommands) {
  const Mistake mistakes[] = {
      {"", {"subcommand"}},
      {"prdict --model x", {"prdict", "predict"}},
      {"predict", {"--model"}},
      {"predict --modl x --machine y", {"--modl", "--model"}},
      {"predict --model mixtrl-8x7b --machine dgx-h100", {"mixtrl-8x7b", "mistralai/Mixtral-8x7B-v0.1"}},
      {"predict --model Mixtral --machine dgx-h100", {"ambiguous", "Mixtral-8x22B-v0.1", "Mixtral-8x7B-v0.1"}},
      {"predict --model Mixtral-8x7B --machine dgx-h1000", {"dgx-h1000", "dgx-h100"}},
      {"predict --model Mixtral-8x7B --machine epyc-9654", {"epyc-9654", "host"}},
      {"predict --model Mixtral-8x7B --machine dgx-h100:12", {"--machine", "12", "dgx-h100", "8"}},
      {"predict --model Mixtral-8x7B --machine dgx-h100:0", {"--machine", "0 devices"}},
      {"predict --model Mixtral-8x7B --machine dgx-h100:4 --devices 8", {"--devices", "8", "dgx-h100:4"}},
      {"predict --model Mixtral-8x7B --machine attacc-8:16", {"--machine", "attacc-8", "network"}},
      {"machines show h1000", {"h1000"}},
      {"models show no-such-model", {"no-such-model"}},
  };
  for (const Mistake& mistake : mistakes) {
    expect_mistake(mistake.line, mistake.mentions);
  }
}

TEST(BadInput, OptionsOfPredict) {
  const Mistake mistakes[] = {
      {"--batch 0", {"--batch", "0"}},
      {"--batch -3", {"--batch"}},
      {"--batch 1e3", {"--batch", "1e3"}},
      {"--batch 99999999999999999999", {"--batch", "99999999999999999999"}},
      {"--batch 4294967296", {"--batch", "16777216"}},
      {"--input 0", {"--input"}},
      {"--output 0", {"--output"}},
      {"--step-tokens 0", {"--step-tokens"}},
      {"--devices 0", {"--devices"}},
      {"--devices 16", {"16", "dgx-h100", "8"}},
      {"--devices 99999999999", {"--devices"}},
      {"--map tp=6", {"tp=6", "32", "tp=4"}},
      {"--map tp=8,ep=3", {"ep=3"}},
      {"--map tp=4,dp=2,ep=8,pp=2", {"pp"}},
      {"--map tp", {"tp", "value"}},
      {"--map tp=8,tp=4", {"twice"}},
      {"--map tp=1000000,dp=1000000", {"--map"}},
      {"--map tp=4 --devices 8", {"4", "8"}},
      {"--dtype weights=fp9", {"fp9", "fp8"}},
      {"--dtype weight=fp8", {"weight", "weights"}},
      {"--dtype weights", {"="}},
      {"--placement streamd", {"streamd", "streamed"}},
      {"--placement two-unit", {"beside its memory", "h100-sxm", "duplex-4"}},
      {"--routing zipf:x", {"zipf"}},
      {"--routing unifrm", {"unifrm", "uniform"}},
      {"--routing /no/such/file.json", {"/no/such/file.json"}},
      {"--profile defualt", {"defualt", "default"}},
      {"--set device.memry.bandwidth=8TB/s", {"memry", "memory"}},
      {"--set device.memory.bandwidth=8", {"memory.bandwidth", "8"}},
      {"--set device.memory.bandwidth=-8TB/s", {"memory.bandwidth", "negative"}},
      {"--set device.memory.bandwidth=8TiBs", {"memory.bandwidth", "8TiBs"}},
      {"--set device.memory.bandwidth=nanTB/s", {"memory.bandwidth"}},
      {"--set device.memory.bandwidth", {"PATH=VALUE"}},
      {"--set devices=0", {"devices"}},
      {"--set model.num_experts_per_tok=9", {"num_experts_per_tok"}},
      {"--format yaml", {"--format", "yaml"}},
      {"--batch 1,2", {"2", "compare"}},
  };
  for (const Mistake& mistake : mistakes) {
    expect_mistake(kGood + std::string(mistake.line), mistake.mentions);
  }
}

TEST(BadInput, Files) {
  const fs::path folder = fresh_folder();
  fs::remove_all(folder);
  fs::create_directories(folder);
  const auto write = [&](const char* name, const std::string& text) {
    const fs::path file = folder / name;
    std::ofstream(file, std::ios::binary) << text;
    return file.string();
  };
  const std::string good = write("good.json",
                                 R"({"model_type": "llama", "hidden_size": 64, "intermediate_size": 128,
      "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 4, "vocab_size": 100})");
  const std::string load = " --machine h100-sxm --batch 1 --input 8 --output 2";
  EXPECT_EQ(run_line("predict --model " + good + load).code, 0);

  expect_mistake("predict --model " + folder.string() + load, {"directory"});
  expect_mistake("predict --model " + (folder / "none.json").string() + load, {"none.json"});
  expect_mistake("predict --model " + write("cut.json", R"({"model_type": "llama",)") + load, {"cut.json", "line 1"});
  expect_mistake("predict --model " + write("bad.json", "{\"a\": 1,\n \"b\": }") + load,
                 {"bad.json", "line 2", "column"});
  expect_mistake("predict --model " + write("empty.json", "") + load, {"empty.json"});
  expect_mistake("predict --model " + write("nan.json", R"({"hidden_size": NaN})") + load, {"nan.json", "line 1"});
  expect_mistake("predict --model " + write("list.json", "[1, 2]") + load, {"list.json"});
  const std::string big = write("big.json", "{\"pad\": \"");
  fs::resize_file(big, 100'000'000);
  expect_mistake("predict --model " + big + load, {"big.json", "large"});
  fs::remove(big);
  expect_mistake(
      "predict --model " + good + " --machine " + write("machine.json", R"({"name": "x"})") + load.substr(19),
      {"machine.json"});
  // What is not a machine is not shown either.
  const std::string good_machine = run_line("machines show t4").out;
  const std::string fast =
      write("fast.json", std::string(good_machine).replace(good_machine.find("320 GB/s"), 8, "inf GB/s"));
  expect_mistake("machines show " + fast, {"fast.json", "bandwidth", "inf GB/s"});
  mkfifo((folder / "pipe.json").c_str(), 0600);
  expect_mistake("predict --model " + (folder / "pipe.json").string() + load, {"pipe.json"});
}

TEST(BadInput, NothingIsWritten) {
  const fs::path folder = fresh_folder();
  fs::remove_all(folder);
  fs::create_directories(folder);
  const std::string file = (folder / "result.json").string();
  expect_mistake(std::string(kGood) + "--map tp=6 --format json -o " + file, {"tp=6"});
  expect_mistake(std::string(kGood) + "-o " + folder.string(), {"directory"});
  expect_mistake(std::string(kGood) + "-o " + (folder / "none" / "x.json").string(), {"x.json", "no folder"});
  // Before a minute of measuring.
  expect_mistake("calibrate --device cpu -o " + (folder / "none" / "x.json").string(), {"x.json", "no folder"});
  expect_mistake("calibrate --device cpu -o " + file + " --measurements " + folder.string(), {"--measurements"});
  expect_mistake("calibrate --device cpu --stack vllm -o " + file, {"--stack", "--from"});
  EXPECT_TRUE(fs::is_empty(folder));
}

}  // namespace
}  // namespace moesaic
