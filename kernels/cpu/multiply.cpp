#include "kernels/cpu/multiply.hpp"

#include "kernels/cpu/vector_clones.hpp"

namespace moesaic::cpu {
namespace {

#define MOESAIC_INLINE [[gnu::always_inline]] inline

MOESAIC_INLINE float wide(float value) { return value; }
MOESAIC_INLINE float wide(Bf16 value) { return std::bit_cast<float>(std::uint32_t{value.bits} << 16); }
MOESAIC_INLINE std::int16_t wide(std::int8_t value) { return value; }  // 16-bit products sum in pairs

// The products of a few rows by a few columns stay in registers; the compiler spreads k over vector lanes.
template <class X, class W, class Y>
MOESAIC_INLINE void dot_4x2(const X* x, std::size_t sx, const W* w, std::size_t sw, Y* y, std::size_t sy, int k) {
  const X *x0 = x, *x1 = x0 + sx, *x2 = x1 + sx, *x3 = x2 + sx;
  const W *w0 = w, *w1 = w + sw;
  Y a0{}, a1{}, b0{}, b1{}, c0{}, c1{}, d0{}, d1{};
#pragma omp simd reduction(+ : a0, a1, b0, b1, c0, c1, d0, d1)
  for (int i = 0; i < k; ++i) {
    const auto u = wide(w0[i]), v = wide(w1[i]);
    a0 += wide(x0[i]) * u;
    a1 += wide(x0[i]) * v;
    b0 += wide(x1[i]) * u;
    b1 += wide(x1[i]) * v;
    c0 += wide(x2[i]) * u;
    c1 += wide(x2[i]) * v;
    d0 += wide(x3[i]) * u;
    d1 += wide(x3[i]) * v;
  }
  y[0] += a0, y[1] += a1, y += sy;
  y[0] += b0, y[1] += b1, y += sy;
  y[0] += c0, y[1] += c1, y += sy;
  y[0] += d0, y[1] += d1;
}

template <class X, class W, class Y>
MOESAIC_INLINE void dot_1x4(const X* x, const W* w, std::size_t sw, Y* y, int k) {
  const W *w0 = w, *w1 = w0 + sw, *w2 = w1 + sw, *w3 = w2 + sw;
  Y a{}, b{}, c{}, d{};
#pragma omp simd reduction(+ : a, b, c, d)
  for (int i = 0; i < k; ++i) {
    const auto u = wide(x[i]);
    a += u * wide(w0[i]);
    b += u * wide(w1[i]);
    c += u * wide(w2[i]);
    d += u * wide(w3[i]);
  }
  y[0] += a, y[1] += b, y[2] += c, y[3] += d;
}

template <class X, class W, class Y>
MOESAIC_INLINE void dot_1x1(const X* x, const W* w, Y* y, int k) {
  Y a{};
#pragma omp simd reduction(+ : a)
  for (int i = 0; i < k; ++i) {
    a += wide(x[i]) * wide(w[i]);
  }
  *y += a;
}

template <class X, class W, class Y>
MOESAIC_INLINE void multiply(Block<X> x, Block<W> w, Block<Y> y, int rows, int columns, int k) {
  const auto row = [](auto block, int i) { return block.data + block.stride * static_cast<std::size_t>(i); };
  int r = 0;
  for (; r + 4 <= rows; r += 4) {
    int c = 0;
    for (; c + 2 <= columns; c += 2) {
      dot_4x2(row(x, r), x.stride, row(w, c), w.stride, row(y, r) + c, y.stride, k);
    }
    for (; c < columns; ++c) {
      for (int i = r; i < r + 4; ++i) {
        dot_1x1(row(x, i), row(w, c), row(y, i) + c, k);
      }
    }
  }
  for (; r < rows; ++r) {
    int c = 0;
    for (; c + 4 <= columns; c += 4) {
      dot_1x4(row(x, r), row(w, c), w.stride, row(y, r) + c, k);
    }
    for (; c < columns; ++c) {
      dot_1x1(row(x, r), row(w, c), row(y, r) + c, k);
    }
  }
}

}  // namespace

MOESAIC_VECTOR_CLONES void multiply_add(Block<const float> x, Block<const float> w, Block<float> y, int rows,
                                        int columns, int k) {
  multiply(x, w, y, rows, columns, k);
}
MOESAIC_VECTOR_CLONES void multiply_add(Block<const float> x, Block<const Bf16> w, Block<float> y, int rows,
                                        int columns, int k) {
  multiply(x, w, y, rows, columns, k);
}
MOESAIC_VECTOR_CLONES void multiply_add(Block<const std::int8_t> x, Block<const std::int8_t> w, Block<std::int32_t> y,
                                        int rows, int columns, int k) {
  multiply(x, w, y, rows, columns, k);
}

}  // namespace moesaic::cpu
