#include "base/error.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>

namespace moesaic {
namespace {

TEST(Printable, KeepsOrdinaryText) {
  EXPECT_EQ(printable("gate_proj 4 \u00B5s"), "gate_proj 4 \u00B5s");
  EXPECT_EQ(printable(""), "");
}

TEST(Printable, EscapesControlCharacters) {
  EXPECT_EQ(printable("a\nb\tc\rd"), "a\\nb\\tc\\rd");
  EXPECT_EQ(printable(std::string_view("\0\x1b[31m\x7f", 7)), "\\x00\\x1b[31m\\x7f");
}

TEST(Printable, EscapesBytesThatAreNotUtf8) {
  EXPECT_EQ(printable("\xff"), "\\xff");
  EXPECT_EQ(printable("\xe2\x82"), "\\xe2\\x82");  // cut short
  EXPECT_EQ(printable("\xc2\x85"), "\\xc2\\x85");  // a C1 control character: a line break to some terminals
  EXPECT_EQ(printable("\xf0\x9f\x98\x80"), "\xf0\x9f\x98\x80");
}

TEST(Printable, CutsLongText) {
  EXPECT_EQ(printable(std::string(80, 'x')), std::string(80, 'x'));
  EXPECT_EQ(printable(std::string(81, 'x')), std::string(80, 'x') + "...");
  EXPECT_EQ(printable("abc\n", 4), "abc...");  // never half an escape
}

RC_GTEST_PROP(PrintableProperty, IsOneShortLine, (const std::string& text)) {
  const std::string line = printable(text, 40);
  RC_ASSERT(line.size() <= 43u);
  RC_ASSERT(std::all_of(line.begin(), line.end(), [](char c) { return static_cast<unsigned char>(c) >= 0x20; }));
}

TEST(Assertion, HoldsSilently) { MOESAIC_ASSERT(1 + 1 == 2); }

TEST(AssertionDeathTest, NamesConditionAndPlace) {
  EXPECT_DEATH(MOESAIC_ASSERT(1 + 1 == 3), "error_test.cpp:[0-9]+: '1 \\+ 1 == 3' does not hold");
}

}  // namespace
}  // namespace moesaic
