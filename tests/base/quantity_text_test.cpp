#include "base/quantity_text.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <clocale>
#include <cmath>

#include "base/quantity_text.hpp"
#include "tests/user_error.hpp"

namespace moesaic {
namespace {

template <class Q>
void expect_parses(std::string_view text, double value) {
  EXPECT_DOUBLE_EQ(parse_quantity<Q>(text).value, value) << text;
}

TEST(ParseQuantity, EveryUnit) {
  expect_parses<Seconds>("4 us", 4e-6);
  expect_parses<Seconds>("4\u00B5s", 4e-6);
  expect_parses<Seconds>("1.5ms", 1.5e-3);
  expect_parses<Seconds>("20 ns", 20e-9);
  expect_parses<Seconds>("0 s", 0);
  expect_parses<Seconds>("2 min", 120);
  expect_parses<Seconds>("1.5 h", 5400);
  expect_parses<Bytes>("80 GiB", 80.0 * 1024 * 1024 * 1024);
  expect_parses<Bytes>("80 GB", 80e9);
  expect_parses<Bytes>("512B", 512);
  expect_parses<Bytes>("1 KiB", 1024);
  expect_parses<Bytes>("1 kB", 1000);
  expect_parses<Bytes>("1 KB", 1000);
  expect_parses<Bytes>("2 PiB", 2 * 0x1p50);
  expect_parses<BytesPerSecond>("3.35 TB/s", 3.35e12);
  expect_parses<BytesPerSecond>("64 GiB/s", 64 * 0x1p30);
  expect_parses<FlopsPerSecond>("989 TFLOP/s", 989e12);
  expect_parses<FlopsPerSecond>("989 TFLOPS", 989e12);
  expect_parses<FlopsPerSecond>("1.979 PFLOPs/s", 1.979e15);
  expect_parses<Watts>("700 W", 700);
  expect_parses<Watts>("1.2 kW", 1200);
  expect_parses<DollarsPerSecond>("$2.50/h", 2.5 / 3600);
  expect_parses<DollarsPerSecond>(" $ 2.50 /h ", 2.5 / 3600);
  expect_parses<DollarsPerSecond>("2.50 $/h", 2.5 / 3600);
  expect_parses<Dollars>("$20487", 20487);
  expect_parses<Dollars>(" $ 0.5 ", 0.5);
  expect_parses<Dollars>("3441 $", 3441);
  expect_parses<Joules>("0.909 nJ", 0.909e-9);
  expect_parses<Joules>("4 pJ", 4e-12);
  expect_parses<Joules>("1.2 kJ", 1200);
  expect_parses<JoulesPerByte>("0.44 pJ/b", 0.44e-12 * 8);  // a bit
  expect_parses<JoulesPerByte>("0.44 pJ/bit", 0.44e-12 * 8);
  expect_parses<JoulesPerByte>("3.5 pJ/B", 3.5e-12);
  expect_parses<JoulesPerByte>("0.03 nJ/B", 0.03e-9);
  expect_parses<Area>("89 mm2", 89e-6);
  expect_parses<Area>("1.2cm2", 1.2e-4);
  expect_parses<Seconds>(" 1e-3 s ", 1e-3);
  expect_parses<Bytes>(".5 GB", 5e8);
}

template <class Q>
void expect_refused(std::initializer_list<std::string_view> texts, std::string_view example) {
  for (const std::string_view text : texts) {
    const std::string message = user_error([&] { return parse_quantity<Q>(text); });
    EXPECT_NE(message.find(example), message.npos) << message;
    EXPECT_NE(message.find(printable(text)), message.npos) << message;
  }
}

TEST(ParseQuantity, RefusesWithAnExample) {
  expect_refused<Seconds>({"",           " ",       "80",        "80 GB",  "-1 s",    "-0 s",  "nan s", "inf s",
                           "infinity s", "1e999 s", "1e-999 s",  "1e31 s", "1e-31 s", "s",     "1 2 s", "1 Ms",
                           "0x10 s",     "1,5 s",   "1 seconds", "1\ns",   "+1 s",    "1 s s", "1 m",   "1e s"},
                          "4 us");
  expect_refused<Bytes>({"80", "80 G", "80 GB/s", "80 mB", "80 s", "80 Gb", "-80 GB", "80 gb", "1e308 TB"}, "80 GiB");
  expect_refused<BytesPerSecond>({"3.35 TB", "3.35", "3.35 Tb/s", "3.35 TBps", "400 Gbit/s"}, "3.35 TB/s");
  expect_refused<FlopsPerSecond>({"989 TFLOP", "989", "989 TiFLOP/s", "989 TB/s"}, "989 TFLOP/s");
  expect_refused<Watts>({"700", "700 J", "700 KiW"}, "700 W");
  expect_refused<Dollars>({"20487", "$", "$-1", "$1 $", "$1/h", "1 k$", "$$1"}, "$20487");
  expect_refused<DollarsPerSecond>(
      {"$2.50", "2.50", "$/h", "$-2.50/h", "$2.50/h/h", "$2.50 $/h", "$", "2.50/h", "$$2/h"}, "$2.50/h");
}

TEST(ParseQuantity, ExplainsTheMistake) {
  EXPECT_EQ(user_error([] { return parse_quantity<Bytes>("80"); }),
            "\"80\" is not a size: the unit is missing; write for example \"80 GiB\"");
  EXPECT_EQ(user_error([] { return parse_quantity<Bytes>("80 gb"); }),
            "\"80 gb\" is not a size: 'gb' counts bits; divide by 8 for bytes, B; write for example \"80 GiB\"");
  EXPECT_EQ(user_error([] { return parse_quantity<BytesPerSecond>("2 TBs"); }),
            "\"2 TBs\" is not a bandwidth: unit 'TBs' does not fit (did you mean 'TB/s'?); "
            "write for example \"3.35 TB/s\"");
}

TEST(ParseQuantity, IgnoresTheLocale) {
  const std::string before = std::setlocale(LC_ALL, nullptr);
  for (const char* comma : {"de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8"}) {
    if (std::setlocale(LC_ALL, comma) != nullptr) {
      break;
    }
  }
  expect_parses<BytesPerSecond>("3.35 TB/s", 3.35e12);
  EXPECT_EQ(to_text(BytesPerSecond{3.35e12}), "3.35 TB/s");
  std::setlocale(LC_ALL, before.c_str());
}

TEST(QuantityText, ReadsWell) {
  EXPECT_EQ(to_text(BytesPerSecond{3.35e12}), "3.35 TB/s");
  EXPECT_EQ(to_text(Bytes{80e9}), "80.0 GB");
  EXPECT_EQ(to_text(Bytes{12}), "12 B");
  EXPECT_EQ(to_text(Bytes{0}), "0 B");
  EXPECT_EQ(to_text(Bytes{999.6e9}), "1.00 TB");
  EXPECT_EQ(to_text(Bytes{2.5e18}), "2500 PB");
  EXPECT_EQ(to_text(Seconds{0.0123}), "12.3 ms");
  EXPECT_EQ(to_text(Seconds{-0.0123}), "-12.3 ms");
  EXPECT_EQ(to_text(Seconds{0}), "0 s");
  EXPECT_EQ(to_text(Seconds{5e-10}), "0.500 ns");
  EXPECT_EQ(to_text(Seconds{90}), "90.0 s");
  EXPECT_EQ(to_text(Seconds{600}), "10.0 min");
  EXPECT_EQ(to_text(Seconds{86400}), "24.0 h");
  EXPECT_EQ(to_text(Flops{2.5e12}), "2.50 TFLOP");
  EXPECT_EQ(to_text(FlopsPerSecond{989e12}), "989 TFLOP/s");
  EXPECT_EQ(to_text(FlopsPerByte{295.2}), "295 FLOP/B");
  EXPECT_EQ(to_text(FlopsPerByte{1}), "1.00 FLOP/B");
  EXPECT_EQ(to_text(Watts{700}), "700 W");
  EXPECT_EQ(to_text(Joules{3.9e-12}), "3.90 pJ");
  EXPECT_EQ(to_text(Dollars{2.5}), "$2.50");
  EXPECT_EQ(to_text(Dollars{0.00123}), "$0.00123");
  EXPECT_EQ(to_text(Dollars{-3}), "-$3.00");
  EXPECT_EQ(to_text(Seconds{INFINITY}), "inf h");
}

// Printing keeps at least three significant digits.
template <class Q>
void round_trips() {
  const double value = *rc::gen::inRange(1, 1'000'000) * std::pow(10.0, *rc::gen::inRange(-14, 14));
  const double again = parse_quantity<Q>(to_text(Q{value})).value;
  RC_ASSERT(std::abs(again - value) <= 0.00501 * value);
}

RC_GTEST_PROP(QuantityTextProperty, TimesRoundTrip, ()) { round_trips<Seconds>(); }
RC_GTEST_PROP(QuantityTextProperty, SizesRoundTrip, ()) { round_trips<Bytes>(); }
RC_GTEST_PROP(QuantityTextProperty, BandwidthsRoundTrip, ()) { round_trips<BytesPerSecond>(); }
RC_GTEST_PROP(QuantityTextProperty, FlopRatesRoundTrip, ()) { round_trips<FlopsPerSecond>(); }
RC_GTEST_PROP(QuantityTextProperty, PowersRoundTrip, ()) { round_trips<Watts>(); }

}  // namespace
}  // namespace moesaic
