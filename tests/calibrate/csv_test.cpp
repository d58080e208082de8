// Unit: fields, quotes and numbers of comma-separated text.
#include "calibrate/csv.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <cmath>
#include <cstdint>

namespace moesaic {
namespace {

TEST(Csv, SplitsRowsWhateverTheirLineEnds) {
  CsvTable table("\xEF\xBB\xBF# made by hand\r\na,b\r\n\r\n1,2\n3,\n,4");
  EXPECT_EQ(table.header(), (std::vector<std::string>{"a", "b"}));
  std::string seen;
  while (table.next()) {
    table.split();
    seen += std::to_string(table.line()) + ":" + std::string(table[0]) + "|" + std::string(table[1]) + " ";
  }
  EXPECT_EQ(seen, "4:1|2 5:3| 6:|4 ");
}

TEST(Csv, TakesQuotedFields) {
  CsvTable table("a,b,c\n\"x, \"\"y\"\"\",,\"\"\n\"open,1,2\n\"a\"b,1,2\n1,2\n");
  ASSERT_TRUE(table.next());
  table.split();
  EXPECT_EQ(table[0], "x, \"y\"");
  EXPECT_EQ(table[2], "");
  for (int wrong = 0; wrong < 3; ++wrong) {
    ASSERT_TRUE(table.next());
    EXPECT_THROW(table.split(), BadRow);
  }
  EXPECT_FALSE(table.next());
}

TEST(Csv, OfNothingHasNoHeader) {
  for (const char* text : {"", "\n\n", "# only a comment", "\"open"}) {
    EXPECT_TRUE(CsvTable(text).header().empty()) << text;
  }
}

TEST(Number, IsWholeFiniteAndDecimal) {
  EXPECT_EQ(parse_number("12.5"), 12.5);
  EXPECT_EQ(parse_number("1e3", -6), 1e-3);
  EXPECT_EQ(parse_number("12.3", -6), 12.3e-6);
  for (const char* text :
       {"", " 1", "1 ", "1x", "x", "nan", "inf", "-inf", "1e999", "0x10", "--1", "e5", "1e", "1,5"}) {
    EXPECT_FALSE(parse_number(text)) << text;
    EXPECT_FALSE(parse_number(text, -6)) << text;
  }
  EXPECT_FALSE(parse_number(std::string(100, '1'), -6));
}

RC_GTEST_PROP(Number, SurvivesItsText, ()) {
  const double value = std::ldexp(*rc::gen::inRange<std::int64_t>(-(std::int64_t{1} << 53), std::int64_t{1} << 53),
                                  *rc::gen::inRange(-900, 850));
  for (const int exponent : {0, -6, -3, 12}) {
    RC_ASSERT(parse_number(number_text(value, exponent), exponent) == value);
  }
}

RC_GTEST_PROP(Number, OfATimeSurvives, ()) {
  const double seconds = std::ldexp(*rc::gen::inRange<std::int64_t>(1, std::int64_t{1} << 53), -70);
  RC_ASSERT(parse_number(number_text(seconds, -6), -6) == seconds);
}

TEST(Number, ReadsLikeAPersonWouldWriteIt) {
  EXPECT_EQ(number_text(12.5e-6, -6), "12.5");
  EXPECT_EQ(number_text(1e-3, -6), "1000");
  EXPECT_EQ(number_text(2.5e-9, -6), "0.0025");
  EXPECT_EQ(number_text(-1.5, -6), "-1500000");
  EXPECT_EQ(number_text(1e-15, -6), "1.0e-9");
  EXPECT_EQ(number_text(0, -6), "0");
}

}  // namespace
}  // namespace moesaic
