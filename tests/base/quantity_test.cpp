#include "base/quantity.hpp"

#include <gtest/gtest.h>

#include <type_traits>

namespace moesaic {
namespace {

template <class A, class B>
concept Addable = requires(A a, B b) {
  a + b;
};
template <class A, class B>
concept Comparable = requires(A a, B b) {
  a < b;
};

static_assert(Addable<Seconds, Seconds> && !Addable<Seconds, Bytes> && !Addable<Seconds, double>);
static_assert(Comparable<Bytes, Bytes> && !Comparable<Bytes, Flops> && !Comparable<Bytes, double>);
static_assert(!std::is_convertible_v<double, Seconds> && !std::is_convertible_v<Seconds, double>);
static_assert(sizeof(Seconds) == sizeof(double) && std::is_trivially_copyable_v<Seconds>);

// Dimensions follow from the arithmetic.
static_assert(std::is_same_v<decltype(Bytes{} / BytesPerSecond{}), Seconds>);
static_assert(std::is_same_v<decltype(Flops{} / FlopsPerSecond{}), Seconds>);
static_assert(std::is_same_v<decltype(FlopsPerSecond{} / BytesPerSecond{}), FlopsPerByte>);
static_assert(std::is_same_v<decltype(Watts{} * Seconds{}), Joules>);
static_assert(std::is_same_v<decltype(DollarsPerSecond{} * Seconds{}), Dollars>);
static_assert(std::is_same_v<decltype(Bytes{} * JoulesPerByte{}), Joules>);
static_assert(std::is_same_v<decltype(PerSecond{} * Seconds{}), double>);

TEST(Quantity, Arithmetic) {
  EXPECT_EQ((Bytes{6e9} / BytesPerSecond{2e9}).value, 3);
  EXPECT_EQ(Seconds{3} / Seconds{2}, 1.5);
  EXPECT_EQ((2 * Seconds{3} + Seconds{1} - Seconds{2} / 2).value, 6);
  EXPECT_EQ((-Seconds{3}).value, -3);
  Bytes sum{1};
  sum += Bytes{4};
  sum -= Bytes{2};
  sum *= 3;
  EXPECT_EQ(sum, Bytes{9});
  EXPECT_LT(Bytes{1}, Bytes{2});
}

}  // namespace
}  // namespace moesaic
