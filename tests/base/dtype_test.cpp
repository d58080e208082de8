#include "base/dtype.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "tests/user_error.hpp"

namespace moesaic {
namespace {

TEST(DTypeName, RoundTrips) {
  for (std::size_t i = 0; i < kDTypeCount; ++i) {
    const auto dtype = static_cast<DType>(i);
    EXPECT_EQ(parse_dtype(name(dtype)), dtype) << name(dtype);
  }
  EXPECT_EQ(name(DType::bf16), "bf16");
  EXPECT_EQ(name(DType::int4), "int4");
}

TEST(DTypeName, RefusesWithTheNearest) {
  EXPECT_EQ(user_error([] { return parse_dtype("bf61"); }), "unknown number format 'bf61' (did you mean 'bf16'?)");
  EXPECT_EQ(user_error([] { return parse_dtype("float"); }),
            "unknown number format 'float'; allowed: fp64, fp32, tf32, bf16, fp16, fp8, int8, fp6, fp4, int4");
  for (const char* text : {"", "BF16", "bf16 ", "bf\n16", "mxfp4"}) {
    user_error([&] { return parse_dtype(text); });
  }
}

TEST(StorageTypeText, KnownForms) {
  const struct {
    const char* text;
    StorageType type;
  } cases[] = {
      {"bf16", {DType::bf16, 16}},
      {"fp16", {DType::fp16, 16}},
      {"fp32", {DType::fp32, 32}},
      {"tf32", {DType::tf32, 32}},
      {"fp8", {DType::fp8, 8}},
      {"fp8-block", {DType::fp8, 8 + 32.0 / 16384}},
      {"int8", {DType::int8, 8}},
      {"int4", {DType::int4, 4.15625}},
      {"int4-g64", {DType::int4, 4.3125}},
      {"int8-g32", {DType::int8, 8.75}},
      {"int6", {DType::int8, 6}},
      {"int3", {DType::int4, 3}},
      {"fp6", {DType::fp6, 6}},
      {"mxfp8", {DType::fp8, 8.25}},
      {"mxfp6", {DType::fp6, 6.25}},
      {"mxfp4", {DType::fp4, 4.25}},
      {"nvfp4", {DType::fp4, 4.5}},
      {"fp4", {DType::fp4, 4}},
      {"4.5bit", {DType::int4, 4.5}},
      {"8.5bit", {DType::int8, 8.5}},
      {"fp4-4.3bit", {DType::fp4, 4.3}},
  };
  for (const auto& [text, type] : cases) {
    EXPECT_EQ(parse_storage_type(text), type) << text;
    EXPECT_EQ(to_text(type), text);
  }
  EXPECT_EQ(parse_storage_type("4.5 bit"), parse_storage_type("4.5bit"));
  EXPECT_EQ(to_text(parse_storage_type("int4-g128")), "int4");
}

TEST(StorageTypeText, RefusesWithTheNearest) {
  EXPECT_EQ(user_error([] { return parse_storage_type("mxpf4"); }),
            "unknown storage format 'mxpf4' (did you mean 'mxfp4'?)");
  EXPECT_EQ(user_error([] { return parse_storage_type("2.54"); }),
            "unknown storage format '2.54' (did you mean '2.54bit', a mean number of bits?)");
  for (const char* text : {"",
                           "bit",
                           "0bit",
                           "-4bit",
                           "nanbit",
                           "infbit",
                           "16bit",
                           "1e9bit",
                           "int",
                           "int0",
                           "int9",
                           "int16",
                           "int4-g",
                           "int4-g0",
                           "int4-g-1",
                           "int4-g1e3",
                           "int4-g99999999999",
                           "fp4-bit",
                           "fp4-0bit",
                           "fp4-999bit",
                           "int4 ",
                           "INT4",
                           "int4\n"}) {
    const std::string message = user_error([&] { return parse_storage_type(text); });
    EXPECT_NE(message.find("unknown storage format"), message.npos) << message;
  }
}

RC_GTEST_PROP(StorageTypeProperty, EveryTypeRoundTrips, ()) {
  const auto dtype = static_cast<DType>(*rc::gen::inRange<int>(0, kDTypeCount));
  const double bits = *rc::gen::inRange(1, 128'000) / 1000.0;
  const StorageType type{dtype, bits};
  RC_ASSERT(parse_storage_type(to_text(type)) == type);
}

TEST(StorageTypeBytes, CountScales) { EXPECT_EQ(StorageType({DType::fp4, 4.25}).bytes(64).value, 34); }

}  // namespace
}  // namespace moesaic
