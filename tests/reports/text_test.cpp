// Prediction and operators as text.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <regex>
#include <sstream>

#include "fixture.hpp"
#include "reports/terminal.hpp"
#include "texts.hpp"

namespace moesaic {
namespace {

std::vector<std::string> lines(const std::string& text) {
  std::vector<std::string> result;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) {
    result.push_back(line);
  }
  return result;
}

TEST(PredictionText, BeginsWithTheVerdict) {
  // 11.675 weights + 1.342 KV + 0.403 activations + 0.134 buffers + 6 reserve GB
  EXPECT_EQ(lines(prediction_text(fixture::mixtral(), kPlain))[0], "fits: 19.6 GB of 80.0 GB per device");
  const auto turns = lines(prediction_text(fixture::in_turns(), kPlain));
  EXPECT_EQ(turns[0],
            "DOES NOT FIT: short by 10.5 GB per device; largest batch 40; longest context 800; fewest devices 16 "
            "(tp=16,ep=1,dp=1); "
            "kv=fp8 would fit");
  EXPECT_EQ(turns[1], "Times are for 40 requests running at once; the other 24 of the batch wait their turn.");
  const auto large = lines(prediction_text(fixture::too_large(), kPlain));
  EXPECT_EQ(large[0],
            "DOES NOT FIT: short by 30.7 GB per device; no batch fits at this context; no context fits this batch; "
            "fewest devices 2 (tp=2,ep=1,dp=1); weights=int4 would fit");
  EXPECT_EQ(large[1], "Nothing runs, so there are no times.");
}

TEST(PredictionText, NamesAShortageOfHostMemory) {
  Prediction prediction = fixture::in_turns();
  prediction.memory.device.kv = {1e9};
  prediction.memory.host.capacity = {90e9};  // weights of 93.4 GB
  EXPECT_TRUE(has(prediction_text(prediction, kPlain), "DOES NOT FIT: short by 3.40 GB of host memory;"));
}

TEST(PredictionText, SaysWhatEveryTableNeeds) {
  const std::string text = prediction_text(fixture::mixtral(), kPlain);
  for (const char* part :
       {"64 requests of 1,024 + 256 tokens", "dgx-h100, 8 devices, tp=8,ep=1,dp=1", "default efficiencies",
        "time to first token (TTFT)", "cost per million output tokens", "memory bandwidth (device.memory.bandwidth)",
        "Waterfall of decoding one token of every request", "Waterfall of prefill of the whole batch",
        "10% less gpu launch latency", "6.3%", "KV cache", "one token's KV cache, over all devices: 131 kB"}) {
    EXPECT_TRUE(has(text, part)) << part;
  }
}

TEST(PredictionText, WithoutTimesShowsNone) {
  const std::string text = prediction_text(fixture::too_large(), kPlain);
  EXPECT_FALSE(has(text, "Performance"));
  EXPECT_FALSE(has(text, "Waterfall"));
  EXPECT_FALSE(has(text, "nan"));
  EXPECT_TRUE(has(text, "Memory"));
}

TEST(PredictionText, PlainIsAsciiOfHundredColumns) {
  for (const Prediction& prediction : {fixture::mixtral(), fixture::in_turns(), fixture::too_large()}) {
    const std::string text = prediction_text(prediction, kPlain);
    EXPECT_TRUE(std::all_of(text.begin(), text.end(), [](char c) { return c == '\n' || (c >= ' ' && c < 127); }));
    const auto all = lines(text);
    for (std::size_t i = 1; i < all.size(); ++i) {  // the verdict may be longer: a terminal wraps it
      EXPECT_LE(all[i].size(), 100u) << all[i];
    }
  }
}

TEST(PredictionText, RichOnlyAddsColoursAndBlocks) {
  const std::string rich = prediction_text(fixture::mixtral(), kRich);
  std::string plain = std::regex_replace(rich, std::regex("\x1b\\[[0-9;]*m"), "");
  plain = std::regex_replace(plain, std::regex("\u2588"), "#");
  EXPECT_NE(rich, plain);
  EXPECT_EQ(plain, prediction_text(fixture::mixtral(), kPlain));
}

TEST(PredictionText, NamesCannotControlTheTerminal) {
  Prediction prediction = fixture::mixtral();
  prediction.model = "evil\x1b[2J\nmodel";
  const std::string text = prediction_text(prediction, kPlain);
  EXPECT_FALSE(has(text, "\x1b"));
  EXPECT_TRUE(has(text, "evil\\x1b[2J\\nmodel"));
}

// The numbers of one waterfall as printed, from its limit to its prediction.
std::vector<double> printed_waterfall(const std::string& text, const std::string& title) {
  std::vector<double> numbers;
  std::istringstream stream(text.substr(text.find(title)));
  std::string line;
  std::getline(stream, line);
  std::getline(stream, line);
  const std::regex number(R"(\s([+-]?\d+\.?\d*)\s+-?\d+\.\d%)");
  while (std::getline(stream, line) && !line.empty()) {
    std::smatch match;
    EXPECT_TRUE(std::regex_search(line, match, number)) << line;
    numbers.push_back(std::atof(match[1].str().c_str()));
  }
  return numbers;
}

TEST(PredictionText, WaterfallRowsAddUpToThePrediction) {
  const std::string text = prediction_text(fixture::mixtral(), kPlain);
  struct Case {
    const char* title;
    double rounding;  // half of the last printed digit
  };
  for (const auto& [title, rounding] : {Case{"Waterfall of decoding", 0.0005}, Case{"Waterfall of prefill", 0.05}}) {
    const auto numbers = printed_waterfall(text, title);
    ASSERT_EQ(numbers.size(), 6u);  // limit, four bars, prediction
    double sum = 0;
    for (std::size_t i = 0; i + 1 < numbers.size(); ++i) {
      sum += numbers[i];
    }
    EXPECT_NEAR(sum, numbers.back(), rounding * static_cast<double>(numbers.size()));
  }
}

TEST(PredictionText, WaterfallBarsTouch) {
  const std::string text = prediction_text(fixture::mixtral(), kPlain);
  const auto all = lines(text.substr(text.find("Waterfall of decoding")));
  std::size_t end = all[2].find('#');
  for (std::size_t row = 2; row < 7; ++row) {  // limit and four bars
    const std::size_t first = all[row].find('#');
    EXPECT_LE(first > end ? first - end : end - first, 1u) << all[row];
    end = all[row].find_last_of('#') + 1;
  }
}

TEST(OperatorsText, ShowsEveryOperator) {
  const PageSection section = fixture::section();
  const std::string text =
      operators_text({section.decode_operators, section.prediction.decode.seconds, "a profile"}, kPlain);
  for (const OperatorRow& row : section.decode_operators) {
    EXPECT_TRUE(has(text, row.operator_)) << row.operator_;
    EXPECT_TRUE(has(text, row.shape)) << row.shape;
  }
  EXPECT_TRUE(std::regex_search(text, std::regex(R"(experts +32 +5\.64 GFLOP +356 MB +15\.8 +295 +146 us .*memory)")));
  EXPECT_TRUE(has(text, "Times of kernels: a profile."));
  EXPECT_TRUE(std::regex_search(text, std::regex(R"(all_reduce +64 +- .*\(link\))")));
  EXPECT_EQ(operators_text({{}, Seconds{1}, "a profile"}, kPlain), "  no operators\n");
}

}  // namespace
}  // namespace moesaic
