// Numbers as papers print them.
#include "base/amount.hpp"

#include <gtest/gtest.h>

#include "tests/user_error.hpp"

namespace moesaic {
namespace {

TEST(Amount, UnitsScaleToSi) {
  EXPECT_DOUBLE_EQ(parse_amount("120.96 us").least, 120.96e-6);
  EXPECT_DOUBLE_EQ(parse_amount("50 GB/s").least, 50e9);
  EXPECT_DOUBLE_EQ(parse_amount("33.7%").least, 0.337);
  EXPECT_DOUBLE_EQ(parse_amount("2,048").least, 2048);
  EXPECT_DOUBLE_EQ(parse_amount("1.5e3 B").least, 1500);
  EXPECT_DOUBLE_EQ(parse_amount("-2.5").least, -2.5);
  EXPECT_EQ(parse_amount("4.96x").least, 4.96);
  EXPECT_EQ(parse_amount("14.8 tokens/s").unit, "tokens/s");
  EXPECT_EQ(parse_amount("14.8 tokens/s").least, 14.8);  // a label
}

TEST(Amount, Ranges) {
  const Amount range = parse_amount("3.0 to 6.5 ms");
  EXPECT_DOUBLE_EQ(range.least, 3e-3);
  EXPECT_DOUBLE_EQ(range.most, 6.5e-3);
  EXPECT_TRUE(range.prints(5e-3));
  EXPECT_FALSE(range.prints(6.6e-3));
}

// 14.76 stands for anything from 14.755 to 14.765.
TEST(Amount, PrintsTheSameDigits) {
  const Amount published = parse_amount("14.76 ms");
  EXPECT_TRUE(published.prints(14.757e-3));
  EXPECT_TRUE(published.prints(14.7649e-3));
  EXPECT_FALSE(published.prints(14.7651e-3));
  EXPECT_FALSE(published.prints(14.754e-3));
  EXPECT_TRUE(parse_amount("67").prints(67.4));
  EXPECT_FALSE(parse_amount("67").prints(67.6));
}

TEST(Amount, IsWrittenLikeThePublishedOne) {
  EXPECT_EQ(to_text(parse_amount("14.76 ms"), 14.757e-3), "14.76 ms");
  EXPECT_EQ(to_text(parse_amount("14.76 ms"), 15e-3), "15.000 ms");  // one digit more where it differs
  EXPECT_EQ(to_text(parse_amount("33.7%"), 0.337), "33.7%");
  EXPECT_EQ(to_text(parse_amount("4.96x"), 4.96), "4.96x");
}

TEST(Amount, Mistakes) {
  for (const char* text : {"", "us", "about 5", "6 to 3", "1..5 ms", "to 5"}) {
    EXPECT_NE(user_error([&] { return parse_amount(text); }).find(text), std::string::npos) << text;
  }
}

}  // namespace
}  // namespace moesaic
