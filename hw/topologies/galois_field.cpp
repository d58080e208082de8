#include "hw/topologies/galois_field.hpp"

namespace moesaic {
namespace {

int smallest_factor(int number) {
  int factor = 2;
  while (factor * factor <= number && number % factor != 0) {
    ++factor;
  }
  return factor * factor <= number ? factor : number;
}

}  // namespace

std::optional<GaloisField> GaloisField::of_order(int order) {
  if (order < 2) {
    return std::nullopt;
  }
  const int prime = smallest_factor(order);
  for (int rest = order; rest > 1; rest /= prime) {
    if (rest % prime != 0) {
      return std::nullopt;
    }
  }
  GaloisField field(order, prime);
  // Of a prime field some number, else of some polynomial x, generates all elements but zero.
  for (int candidate = 1; candidate < order; ++candidate) {
    if (order == prime ? field.try_primitive(candidate, 0) : field.try_primitive(prime, candidate)) {
      return field;
    }
  }
  return std::nullopt;
}

// Whether the powers of `generator` are all elements but zero; keeps them if so. `reduction` is what x^n is replaced
// by.
bool GaloisField::try_primitive(int generator, int reduction) {
  powers_.clear();
  logarithms_.assign(order_, -1);
  int element = 1;
  do {
    if (logarithms_[element] >= 0 || element == 0) {
      return false;
    }
    logarithms_[element] = static_cast<int>(powers_.size());
    powers_.push_back(element);
    element = order_ == prime_ ? element * generator % prime_ : times_x(element, reduction);
  } while (element != 1);
  return static_cast<int>(powers_.size()) == order_ - 1;
}

int GaloisField::times_x(int a, int reduction) const {
  const int leading = a / (order_ / prime_);
  int product = a % (order_ / prime_) * prime_;
  for (int i = 0; i < leading; ++i) {
    product = add(product, reduction);
  }
  return product;
}

int GaloisField::add(int a, int b) const {
  int sum = 0;
  for (int place = 1; place < order_; place *= prime_, a /= prime_, b /= prime_) {
    sum += (a + b) % prime_ * place;
  }
  return sum;
}

int GaloisField::subtract(int a, int b) const {
  int difference = 0;
  for (int place = 1; place < order_; place *= prime_, a /= prime_, b /= prime_) {
    difference += (a % prime_ + prime_ - b % prime_) % prime_ * place;
  }
  return difference;
}

int GaloisField::multiply(int a, int b) const { return a == 0 || b == 0 ? 0 : power(logarithms_[a] + logarithms_[b]); }

}  // namespace moesaic
