// Files that are wrong, strange or too many: bad rows are counted and named, the rest is read.
#include "calibrate/read_measurements.hpp"

#include <gtest/gtest.h>

#include "base/error.hpp"
#include "tests/calibrate/measurement_files.hpp"
#include "tests/user_error.hpp"

namespace moesaic {
namespace {

constexpr const char* kHeader = "operator,device,stack,dtype,kv_dtype,kernel,n,k,m,latency_us\n";
constexpr const char* kGood = "gemm,cpu,mine,bf16,,,8,16,4,1.5\n";

std::string rows(int count) {
  std::string text = kHeader;
  for (int i = 0; i < count; ++i) {
    text += kGood;
  }
  return text;
}

TEST(BadRows, AreSkippedCountedAndNamed) {
  const struct {
    const char* row;
    const char* reason;
  } wrong[] = {
      {"gemm,cpu,mine,bf16,,,8,16,4,-3\n", "latency_us: '-3' is not a positive number"},
      {"gemm,cpu,mine,bf16,,,8,16,4,0\n", "latency_us: '0' is not a positive number"},
      {"gemm,cpu,mine,bf16,,,8,16,4,nan\n", "latency_us: 'nan' is not a number"},
      {"gemm,cpu,mine,bf16,,,8,16,4,inf\n", "latency_us: 'inf' is not a number"},
      {"gemm,cpu,mine,bf16,,,8,16,4,1e400\n", "latency_us: '1e400' is not a number"},
      {"gemm,cpu,mine,bf16,,,8,16,4,fast\n", "latency_us: 'fast' is not a number"},
      {"gemm,cpu,mine,bf16,,,8,16,4,\n", "latency_us: '' is not a number"},
      {"gemm,cpu,mine,bf16,,,8,16,0,1\n", "m: '0' is not a positive number up to 1e+15"},
      {"gemm,cpu,mine,bf16,,,8,,4,1\n", "k: '' is not a number"},
      {"gemm,cpu,mine,bf16,,,8,1e20,4,1\n", "k: '1e+20' is not a positive number up to 1e+15"},
      {"gem,cpu,mine,bf16,,,8,16,4,1\n", "unknown operator 'gem' (did you mean 'gemm'?)"},
      {"gemm,,mine,bf16,,,8,16,4,1\n", "device: is empty"},
      {"gemm,cpu,mi\tne,bf16,,,8,16,4,1\n", "has control characters"},
      {"gemm,cpu,mine,bf16,,,8,16,4,1,9\n", "11 fields instead of 10"},
      {"gemm,cpu,mine,bf", "4 fields instead of 10"},
  };
  for (const auto& [row, reason] : wrong) {
    const ReadResult read = read_text(rows(200) + row);
    EXPECT_EQ(read.measurements.rows.size(), 200u) << row;
    ASSERT_EQ(read.skipped.size(), 1u) << row;
    EXPECT_EQ(read.skipped[0].rows, 1u);
    EXPECT_NE(read.skipped[0].first_reason.find("line 202: "), std::string::npos) << read.skipped[0].first_reason;
    EXPECT_NE(read.skipped[0].first_reason.find(reason), std::string::npos) << read.skipped[0].first_reason;
  }
}

TEST(BadRows, MayBeZeroWhereZeroMeansNone) {
  EXPECT_EQ(only_row("operator,device,stack,dtype,kv_dtype,num_q_heads,num_kv_heads,head_dim,batch,kv_len,window,"
                     "latency_us\nattention_decode,cpu,mine,bf16,fp8,8,1,128,2,300,0,7\n"),
            "attention_decode cpu mine bf16 fp8 - | num_q_heads=8 num_kv_heads=1 head_dim=128 batch=2 kv_len=300 "
            "window=0 | 7 us");
}

TEST(BadRows, InJsonLinesAreNamedToo) {
  const std::string good =
      R"({"operator":"gemm","device":"c","stack":"s","dtype":"d","n":1,"k":1,"m":1,"latency_us":1})";
  const std::vector<std::string> wrong = {
      "{",
      "[]",
      "3",
      good.substr(0, 50),
      R"({"operator":"gemm","device":{}})",
      R"({"operator":"gemm","device":"c","stack":"s","dtype":"d","n":1,"k":1,"m":true,"latency_us":1})",
      R"({"operator":"gemm","device":"c","stack":"s","dtype":"d","n":1,"k":1,"latency_us":1})",
  };
  std::string text;
  for (int i = 0; i < 1000; ++i) {
    text += good + "\n";
  }
  for (const std::string& line : wrong) {
    text += line + "\n";
  }
  const ReadResult read = read_text(text, "a.jsonl");
  EXPECT_EQ(read.measurements.rows.size(), 1000u);
  ASSERT_EQ(read.skipped.size(), 1u);
  EXPECT_EQ(read.skipped[0].rows, wrong.size());
  EXPECT_EQ(read.skipped[0].first_reason, "line 1001: not a flat JSON object");
}

TEST(BadRows, AreAnErrorWhereTheyAreTooMany) {
  const std::string text = rows(98) + "gemm,cpu,mine,bf16,,,8,16,x,1\ngemm,cpu,mine,bf16,,,8,16,4,0\n";
  EXPECT_EQ(read_text(text, "a.csv", 0.02).measurements.rows.size(), 98u);  // 2 of 100 are 2%
  const std::string message = user_error([&] { return read_text(text, "a.csv", 0.019); });
  EXPECT_NE(message.find("a.csv: 2 of 100 rows cannot be used, more than 1.9%: line 100: m: 'x' is not a number"),
            std::string::npos)
      << message;
}

TEST(ReadMeasurements, RefusesWhatHoldsNone) {
  const MeasurementFiles files;
  const auto message = [&](const std::filesystem::path& path) {
    return user_error([&] { return read_measurements({path}); });
  };
  EXPECT_NE(message(files.folder() / "nowhere").find("nowhere: no such file or folder"), std::string::npos);
  EXPECT_NE(message(files.folder()).find("no measurements"), std::string::npos);
  EXPECT_NE(message(files.write("header.csv", kHeader)).find("no measurements"), std::string::npos);
  EXPECT_NE(message(files.write("other.csv", "time,price\n1,2\n")).find("no measurements"), std::string::npos);
  EXPECT_NE(message(files.write("broken.json", "{\"benchmarks\": [")).find("broken.json: "), std::string::npos);
  EXPECT_NE(user_error([] { return read_measurements({}); }).find("no files"), std::string::npos);
}

TEST(ReadMeasurements, ReadsFoldersInOrderAndSaysWhatItIgnores) {
  const MeasurementFiles files;
  files.write("b/two.txt", std::string(kHeader) + "gemm,two,mine,bf16,,,8,16,4,1\n");
  files.write("a/one.csv", std::string(kHeader) + "gemm,one,mine,bf16,,,8,16,4,1\n");
  files.write("a/README.md", "not looked at");
  files.write("a/prices.csv", "gpu,price\nh100,2\n");
  files.write("a/requests.jsonl", "{\"id\": 1}\n{\"id\": 2}\n");
  files.write("a/pointer.txt", "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 826723\n");
  files.write("a/package.json", "{\"name\": \"x\"}");
  files.write("a/empty.csv", "");
  const ReadResult read = read_measurements({files.folder() / "b", files.folder(), files.folder() / "a" / "one.csv"});
  ASSERT_EQ(read.measurements.rows.size(), 2u);
  EXPECT_EQ(read.measurements.key_of(read.measurements.rows[0]).device, "one");
  EXPECT_EQ(read.measurements.key_of(read.measurements.rows[1]).device, "two");
  EXPECT_EQ(read.measurements.files[read.measurements.rows[1].file], (files.folder() / "b" / "two.txt").string());
  EXPECT_EQ(read.ignored_files.size(), 5u);
}

TEST(ReadMeasurements, SharesKeysBetweenFiles) {
  const MeasurementFiles files;
  const auto one = files.write("1.csv", rows(3));
  const auto two = files.write("2.csv", rows(2));
  EXPECT_EQ(read_measurements({one, two}).measurements.keys.size(), 1u);
}

// Every row with a kernel of its own: keys must not be searched one by one.
TEST(ReadMeasurements, StaysFastWithManyKeys) {
  std::string text = kHeader;
  for (int i = 0; i < 200000; ++i) {
    text += "gemm,cpu,mine,bf16,,kernel" + std::to_string(i) + ",8,16,4,1.5\n";
  }
  EXPECT_EQ(read_text(text).measurements.keys.size(), 200000u);
}

}  // namespace
}  // namespace moesaic
