// The whole collection of measured data that developers keep beside the repository, or in $MOESAIC_DATA.
#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <map>

#include "tests/calibrate/measurement_files.hpp"

namespace moesaic {
namespace {

std::filesystem::path measured() {
  const char* given = std::getenv("MOESAIC_DATA");
  const std::filesystem::path data = given ? given : MOESAIC_SOURCE "/../shared/data";
  return data / "measured";
}

TEST(MeasuredData, IsReadWithoutABadRow) {
  const std::filesystem::path folder = measured() / "operator";
  std::error_code error;
  if (!std::filesystem::exists(folder, error)) {
    GTEST_SKIP() << "no measured data here; set MOESAIC_DATA";
  }
  const auto start = std::chrono::steady_clock::now();
  const ReadResult read = read_measurements({folder}, {0.0});
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  std::map<std::string_view, std::size_t> rows;
  for (const Measurement& row : read.measurements.rows) {
    ++rows[name(read.measurements.key_of(row).family)];
  }
  // Counted with other tools: the rows of the files of each kind; two for each row of DeepEP.
  const std::map<std::string_view, std::size_t> expected = {{"attention_decode", 79095},
                                                            {"attention_prefill", 67479},
                                                            {"collective", 5040 + 851 + 1142 + 82 + 4},
                                                            {"elementwise", 27943},
                                                            {"expert_exchange", 2 * (553 + 7613) + 1380},
                                                            {"gemm", 149981},
                                                            {"mla_bmm", 3392},
                                                            {"mla_decode", 18401},
                                                            {"mla_decode_module", 19836},
                                                            {"mla_prefill", 10668},
                                                            {"mla_prefill_module", 15298},
                                                            {"moe", 61723},
                                                            {"quantize", 3777},
                                                            {"wide_ep_moe", 1788 + 10206}};
  EXPECT_EQ(rows, expected);
  EXPECT_LT(took.count(), 30) << "reading took " << took.count() << " s";
  RecordProperty("seconds", std::to_string(took.count()));
  for (const SkippedRows& skipped : read.skipped) {
    EXPECT_EQ(skipped.first_reason.find("not a number"), std::string::npos) << skipped.file;
  }
}

TEST(MeasuredData, OfTheGpusOfTheCatalogHasItsNames) {
  const std::filesystem::path folder = measured() / "operator" / "gemm";
  std::error_code error;
  if (!std::filesystem::exists(folder, error)) {
    GTEST_SKIP() << "no measured data here; set MOESAIC_DATA";
  }
  for (const MeasurementKey& key : read_measurements({folder}).measurements.keys) {
    EXPECT_TRUE(
        std::filesystem::exists(std::string(MOESAIC_SOURCE "/configs/machines/devices/") + key.device + ".json"))
        << key.device;
  }
}

}  // namespace
}  // namespace moesaic
