// Private to hw: arithmetic in a finite field of few elements.
#pragma once

#include <optional>
#include <vector>

namespace moesaic {

/// The field of `order` = p^n elements. An element is a number below the order, whose digits to the base p are the
/// coefficients of a polynomial over the integers modulo p; products are taken modulo a primitive polynomial.
class GaloisField {
 public:
  /// None if the order is not a power of a prime.
  static std::optional<GaloisField> of_order(int order);

  int order() const { return order_; }
  int add(int a, int b) const;
  int subtract(int a, int b) const;
  int multiply(int a, int b) const;
  /// The k-th power of the primitive element.
  int power(int k) const { return powers_[k % (order_ - 1)]; }

 private:
  GaloisField(int order, int prime) : order_(order), prime_(prime) {}
  bool try_primitive(int generator, int reduction);
  int times_x(int a, int reduction) const;

  int order_, prime_;
  std::vector<int> powers_, logarithms_;
};

}  // namespace moesaic
