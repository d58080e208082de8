// Quantities with units: compile-time dimensions over one double in SI base units.
// A dimension error does not compile; a bare double never crosses a room as a time or a size.
#pragma once

#include <compare>

namespace moesaic {

/// A value of dimension s^S B^B FLOP^F J^J $^D.
template <int S, int B, int F, int J, int D>
struct Quantity {
  double value = 0;  ///< in SI base units: seconds, bytes, FLOPs, joules, dollars

  constexpr auto operator<=>(const Quantity&) const = default;
  constexpr Quantity operator+(Quantity other) const { return {value + other.value}; }
  constexpr Quantity operator-(Quantity other) const { return {value - other.value}; }
  constexpr Quantity operator-() const { return {-value}; }
  constexpr Quantity operator*(double factor) const { return {value * factor}; }
  constexpr Quantity operator/(double divisor) const { return {value / divisor}; }
  constexpr Quantity& operator+=(Quantity other) { return value += other.value, *this; }
  constexpr Quantity& operator-=(Quantity other) { return value -= other.value, *this; }
  constexpr Quantity& operator*=(double factor) { return value *= factor, *this; }
  friend constexpr Quantity operator*(double factor, Quantity quantity) { return quantity * factor; }
};

/// A product whose dimensions cancel is a plain double.
template <int S, int B, int F, int J, int D>
constexpr auto make_quantity(double value) {
  if constexpr (S == 0 && B == 0 && F == 0 && J == 0 && D == 0) {
    return value;
  } else {
    return Quantity<S, B, F, J, D>{value};
  }
}

template <int S, int B, int F, int J, int D, int S2, int B2, int F2, int J2, int D2>
constexpr auto operator*(Quantity<S, B, F, J, D> a, Quantity<S2, B2, F2, J2, D2> b) {
  return make_quantity<S + S2, B + B2, F + F2, J + J2, D + D2>(a.value * b.value);
}
template <int S, int B, int F, int J, int D, int S2, int B2, int F2, int J2, int D2>
constexpr auto operator/(Quantity<S, B, F, J, D> a, Quantity<S2, B2, F2, J2, D2> b) {
  return make_quantity<S - S2, B - B2, F - F2, J - J2, D - D2>(a.value / b.value);
}

using Seconds = Quantity<1, 0, 0, 0, 0>;
using Bytes = Quantity<0, 1, 0, 0, 0>;
using Flops = Quantity<0, 0, 1, 0, 0>;  ///< a count of operations; a multiply-add counts as 2
using Joules = Quantity<0, 0, 0, 1, 0>;
using Dollars = Quantity<0, 0, 0, 0, 1>;
using BytesPerSecond = Quantity<-1, 1, 0, 0, 0>;
using FlopsPerSecond = Quantity<-1, 0, 1, 0, 0>;
using FlopsPerByte = Quantity<0, -1, 1, 0, 0>;
using PerSecond = Quantity<-1, 0, 0, 0, 0>;
using Watts = Quantity<-1, 0, 0, 1, 0>;
using DollarsPerSecond = Quantity<-1, 0, 0, 0, 1>;
using JoulesPerByte = Quantity<0, -1, 0, 1, 0>;
using JoulesPerFlop = Quantity<0, 0, -1, 1, 0>;

/// Of silicon. It meets other quantities in one product only (model/edap.hpp), so it is no dimension of theirs.
struct Area {
  double value = 0;  ///< square metres

  constexpr auto operator<=>(const Area&) const = default;
  constexpr Area operator+(Area other) const { return {value + other.value}; }
};

}  // namespace moesaic
