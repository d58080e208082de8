// unit and closed form: lengths and arrivals of requests are drawn from the distributions that they are said to be
// from.
#include "sim/requests.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

#include "base/error.hpp"
#include "base/statistics.hpp"
#include "tests/user_error.hpp"

namespace moesaic {
namespace {

constexpr std::uint32_t kMany = 40000;

RequestLoad requests_of(const std::string& input, std::uint64_t seed = 1) {
  return {.input = parse_lengths("--input", input), .output = parse_lengths("--output", "7"), .seed = seed};
}

std::vector<double> inputs(const std::string& text) {
  const RequestSource source(requests_of(text));
  std::vector<double> lengths;
  for (std::uint32_t i = 0; i < kMany; ++i) {
    EXPECT_EQ(source.lengths(i).output, 7);
    lengths.push_back(static_cast<double>(source.lengths(i).input));
  }
  return lengths;
}

double variance(const std::vector<double>& values) {
  const double middle = mean(values);
  double sum = 0;
  for (const double value : values) {
    sum += (value - middle) * (value - middle);
  }
  return sum / static_cast<double>(values.size() - 1);
}

/// Five standard errors of a mean.
double noise(double deviation) { return 5 * deviation / std::sqrt(static_cast<double>(kMany)); }

TEST(Requests, ConstantLengths) {
  for (const double length : inputs("1024")) {
    ASSERT_EQ(length, 1024);
  }
}

// Of n numbers the mean is in their middle and the variance (n^2 - 1) / 12.
TEST(Requests, UniformLengths) {
  const std::vector<double> lengths = inputs("uniform:100:199");
  const auto [least, most] = std::minmax_element(lengths.begin(), lengths.end());
  EXPECT_EQ(*least, 100);
  EXPECT_EQ(*most, 199);
  const double deviation = std::sqrt(9999 / 12.0);
  EXPECT_NEAR(mean(lengths), 149.5, noise(deviation));
  EXPECT_NEAR(variance(lengths), 9999 / 12.0, noise(deviation * deviation));
}

// Rounding to whole tokens adds the variance 1/12.
TEST(Requests, GaussianLengths) {
  const std::vector<double> lengths = inputs("gaussian:1000:50");
  EXPECT_NEAR(mean(lengths), 1000, noise(50));
  EXPECT_NEAR(variance(lengths), 2500 + 1 / 12.0, noise(2500 * std::numbers::sqrt2));
  EXPECT_NEAR(median(lengths), 1000, noise(50 * std::sqrt(std::numbers::pi / 2)));
}

// What would be below a half is drawn again: a normal distribution cut at a = (0.5 - mean) / deviation has the mean
// mean + deviation phi(a) / (1 - Phi(a)).
TEST(Requests, GaussianLengthsAreAtLeastOne) {
  const std::vector<double> lengths = inputs("gaussian:10:20");
  EXPECT_EQ(*std::min_element(lengths.begin(), lengths.end()), 1);
  const double a = (0.5 - 10) / 20;
  const double density = std::exp(-a * a / 2) / std::sqrt(2 * std::numbers::pi);
  EXPECT_NEAR(mean(lengths), 10 + 20 * density / (1 - normal_cdf(a)), noise(20));
}

// In any stretch of ten mean pauses come ten requests in the mean, with as large a variance.
TEST(Requests, ArrivalsArePoisson) {
  RequestLoad load = requests_of("1");
  load.rate = PerSecond{4};
  const RequestSource source(load);
  const double stretch = 10 / 4.0;
  std::vector<double> counts(1);
  Seconds now;
  for (std::uint32_t i = 0; i < kMany; ++i) {
    now += source.pause_before(i);
    counts.resize(static_cast<std::size_t>(now.value / stretch) + 1);
    ++counts.back();
  }
  counts.pop_back();  // not over yet
  const auto stretches = static_cast<double>(counts.size());
  EXPECT_NEAR(mean(counts), 10, 5 * std::sqrt(10 / stretches));
  // The variance of a Poisson sample's variance is (m + 2 m^2) / n.
  EXPECT_NEAR(variance(counts), 10, 5 * std::sqrt((10 + 200) / stretches));
}

TEST(Requests, AnotherRateStretchesPauses) {
  RequestLoad load = requests_of("1");
  load.rate = PerSecond{1};
  const RequestSource slow(load);
  load.rate = PerSecond{8};
  const RequestSource fast(load);
  for (std::uint32_t i = 0; i < 100; ++i) {
    EXPECT_DOUBLE_EQ(slow.pause_before(i).value, 8 * fast.pause_before(i).value);
  }
}

TEST(Requests, AreFunctionsOfSeedAndNumber) {
  const RequestSource one(requests_of("uniform:1:1000000")), same(requests_of("uniform:1:1000000")),
      other(requests_of("uniform:1:1000000", 2));
  int differ = 0;
  for (std::uint32_t i = 100; i-- > 0;) {
    EXPECT_EQ(one.lengths(i).input, same.lengths(i).input);
    differ += one.lengths(i).input != other.lengths(i).input ? 1 : 0;
  }
  EXPECT_GT(differ, 95);
}

TEST(Requests, TracesAreTakenInTurn) {
  RequestLoad load;
  load.trace = {{10, 1}, {20, 2}, {30, 6}};
  const RequestSource source(load);
  EXPECT_EQ(source.lengths(4).input, 20);
  EXPECT_EQ(source.lengths(4).output, 2);
  EXPECT_DOUBLE_EQ(mean_lengths(load).input, 20);
  EXPECT_DOUBLE_EQ(mean_lengths(load).output, 3);
  EXPECT_EQ(longest_prompt(load), 30);
}

TEST(Requests, WordsAreWrittenAsTheyAreRead) {
  for (const char* text : {"1024", "gaussian:1024:256.5", "uniform:1:7"}) {
    EXPECT_EQ(to_text(parse_lengths("--input", text)), text);
  }
}

TEST(Requests, Mistakes) {
  const auto refused = [](const std::string& text) { return user_error([&] { parse_lengths("--input", text); }); };
  EXPECT_NE(refused("gausian:1:2").find("did you mean 'gaussian'"), std::string::npos);
  EXPECT_NE(refused("gaussian:100").find("gaussian:MEAN:DEVIATION"), std::string::npos);
  EXPECT_NE(refused("uniform:9:3").find("below the least"), std::string::npos);
  EXPECT_NE(refused("uniform:1:2:3").find("uniform:LEAST:MOST"), std::string::npos);
  for (const char* text : {"", "0", "-5", "1.5", "nan", "inf", "1e99", "gaussian:0:1", "gaussian:10:-1",
                           "uniform:1.5:3", "gaussian:x:1", "12x", ":"}) {
    EXPECT_TRUE(refused(text).starts_with("--input: ")) << text << ": " << refused(text);
  }
  RequestLoad load;
  load.rate = PerSecond{0};
  EXPECT_NE(user_error([&] { RequestSource source(load); }).find("--rate"), std::string::npos);
}

}  // namespace
}  // namespace moesaic
