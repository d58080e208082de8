// The documented format: what is written is read back exactly, and the page names every column.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <fstream>
#include <sstream>

#include "tests/calibrate/measurement_files.hpp"

namespace moesaic {
namespace {

MeasurementKey any_key(Family family) {
  const auto text = rc::gen::container<std::string>(rc::gen::inRange<char>(' ', '\x7f'));
  const auto some = rc::gen::nonEmpty(text);
  return {family, *some, *some, *some, *text, *text};
}

Measurements any_measurements() {
  Measurements all;
  all.files = {"memory"};
  const int rows = *rc::gen::inRange(1, 20);
  for (int i = 0; i < rows; ++i) {
    const auto family = static_cast<Family>(*rc::gen::inRange<int>(0, kFamilyCount));
    Measurement row;
    row.key = all.key_index(any_key(family));
    for (std::size_t column = 0; column < describe(family).shape.size(); ++column) {
      row.shape[column] = *rc::gen::inRange(1, 1 << 30) / 8.0;
    }
    row.latency = {*rc::gen::inRange(1, 1 << 30) * 1.7e-11};
    all.rows.push_back(row);
  }
  return all;
}

void expect_equal(const Measurements& a, const Measurements& b) {
  RC_ASSERT(a.rows.size() == b.rows.size());
  for (std::size_t i = 0; i < a.rows.size(); ++i) {
    RC_ASSERT(a.key_of(a.rows[i]) == b.key_of(b.rows[i]));
    RC_ASSERT(a.rows[i].shape == b.rows[i].shape);
    RC_ASSERT(a.rows[i].latency.value == b.rows[i].latency.value);
  }
}

RC_GTEST_PROP(MeasurementFormat, SurvivesCsv, ()) {
  const Measurements all = any_measurements();
  expect_equal(all, read_text(measurements_csv(all)).measurements);
}

RC_GTEST_PROP(MeasurementFormat, SurvivesJsonLines, ()) {
  const Measurements all = any_measurements();
  expect_equal(all, read_text(measurements_jsonl(all), "a.jsonl").measurements);
}

TEST(MeasurementFormat, TakesColumnsInAnyOrderAndMoreOfThem) {
  EXPECT_EQ(only_row("latency_us,k,clock,n,m,dtype,stack,device,operator\n2.5,7168,1.98,4096,16,bf16,mine,cpu,gemm\n"),
            "gemm cpu mine bf16 - - | n=4096 k=7168 m=16 | 2.5 us");
  EXPECT_EQ(only_row(R"({"m":16,"n":4096,"k":"7168","operator":"gemm","device":"cpu","stack":"mine","kernel":null,)"
                     R"("dtype":"bf16","noisy":false,"latency_us":2.5e0})",
                     "a.txt"),
            "gemm cpu mine bf16 - - | n=4096 k=7168 m=16 | 2.5 us");
}

TEST(MeasurementFormat, KeepsFamiliesWithDifferentColumnsInOneFile) {
  const ReadResult read = read_text(
      "operator,device,stack,dtype,kv_dtype,kernel,n,k,m,width,num_tokens,latency_us\n"
      "gemm,cpu,mine,bf16,,,8,16,4,,,1\n"
      "elementwise,cpu,mine,bf16,,norm,,,,64,4,2\n");
  EXPECT_EQ(row_text(read.measurements, 0), "gemm cpu mine bf16 - - | n=8 k=16 m=4 | 1 us");
  EXPECT_EQ(row_text(read.measurements, 1), "elementwise cpu mine bf16 - norm | width=64 num_tokens=4 | 2 us");
  EXPECT_EQ(read.measurements.rows[1].line, 3u);
}

TEST(MeasurementFormat, IsDocumentedColumnByColumn) {
  std::ifstream file(MOESAIC_SOURCE "/docs/measurements.md");
  std::stringstream page;
  page << file.rdbuf();
  const std::string text = page.str();
  ASSERT_FALSE(text.empty());
  for (std::size_t i = 0; i < kFamilyCount; ++i) {
    const FamilyDescription& family = describe(static_cast<Family>(i));
    const std::size_t row = text.find("| `" + std::string(family.name) + "` |");
    ASSERT_NE(row, text.npos) << family.name;
    std::string columns = "| ";
    for (const std::string_view column : family.shape) {
      columns += (columns.size() > 2 ? ", `" : "`") + std::string(column) + "`";
      EXPECT_NE(text.find("| `" + std::string(column) + "` |"), text.npos) << column << " has no meaning and unit";
    }
    const std::string line = text.substr(row, text.find('\n', row) - row);
    EXPECT_NE(line.find(columns + " |"), line.npos) << "expected " << columns << " in " << line;
  }
  for (const char* column : {"operator", "device", "stack", "dtype", "kv_dtype", "kernel", "latency_us"}) {
    EXPECT_NE(text.find("| `" + std::string(column) + "` |"), text.npos) << column;
  }
}

}  // namespace
}  // namespace moesaic
