// Alignment of tables, and bars.
#include "reports/table.hpp"

#include <gtest/gtest.h>

#include "reports/terminal.hpp"
#include "texts.hpp"

namespace moesaic {
namespace {

TEST(Table, AlignsColumns) {
  Table table({{"name"}, {"time", Align::right}, {"note"}});
  table.add({"a", "12.3 ms", "x"});
  table.add({"longer", "4 s"});
  EXPECT_EQ(table.text(kPlain),
            "  name       time  note\n"
            "  a       12.3 ms  x\n"
            "  longer      4 s\n");
  EXPECT_EQ(table.width(), 2 + 6 + 2 + 7 + 2 + 4u);
}

TEST(Table, WithoutHeadsHasNoHeadLine) {
  Table table({{}, {}});
  EXPECT_TRUE(table.empty());
  table.add({"a", "b"});
  EXPECT_EQ(table.text(kPlain), "  a  b\n");
}

TEST(Table, WidthIsThatOnTheScreen) {
  EXPECT_EQ(display_width("abc"), 3u);
  EXPECT_EQ(display_width("\u00b5s"), 2u);
  EXPECT_EQ(display_width(paint("abc", Paint::good, kRich)), 3u);
  EXPECT_EQ(display_width("broken \x1b"), 7u);
  Table table({{}, {}});
  table.add({paint("ab", Paint::bad, kRich), "c"});
  table.add({"ab", "c"});
  EXPECT_EQ(table.text(kRich), "  \x1b[1;31mab\x1b[0m  c\n  ab  c\n");
}

TEST(Bar, StartsWhereTheOneBeforeEnds) {
  EXPECT_EQ(bar(0, 0.5, 8, kPlain), "####");
  EXPECT_EQ(bar(0.5, 1, 8, kPlain), "    ####");
  EXPECT_EQ(bar(0, 1, 2, kRich), "\u2588\u2588");
}

TEST(Bar, ShowsAnythingAboveZeroAndStaysInside) {
  EXPECT_EQ(bar(0.3, 0.3, 8, kPlain), "");
  EXPECT_EQ(bar(0, 1e-9, 8, kPlain), "#");
  EXPECT_EQ(bar(1, 1.5, 8, kPlain), "       #");
  EXPECT_EQ(bar(-1, 2, 4, kPlain), "####");
}

}  // namespace
}  // namespace moesaic
