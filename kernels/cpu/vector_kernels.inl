// The inner loops, for the instruction set that this file is compiled for; MOESAIC_INSTRUCTIONS names its namespace.
// Nothing of the standard library is called: a copy of an inline function that was compiled here could be the one that
// the linker keeps for everybody, also on processors without these instructions.
#include <type_traits>
#include <utility>

#include "kernels/cpu/vector_kernels.hpp"
#if defined(__AVX2__)
#include <immintrin.h>
#endif

namespace moesaic::cpu::MOESAIC_INSTRUCTIONS {
namespace {

#define MOESAIC_INLINE [[gnu::always_inline]] inline
#define MOESAIC_INLINE_LAMBDA __attribute__((always_inline))

/// f(0), ..., f(N - 1) with the indices as constants: arrays that are indexed so stay in registers.
template <int... I, class Function>
MOESAIC_INLINE void each(std::integer_sequence<int, I...>, const Function& f) {
  (f(std::integral_constant<int, I>{}), ...);
}
template <int N, class Function>
MOESAIC_INLINE void unrolled(const Function& f) {
  each(std::make_integer_sequence<int, N>{}, f);
}

MOESAIC_INLINE float widen(float value) { return value; }
MOESAIC_INLINE float widen(Bf16 value) { return __builtin_bit_cast(float, std::uint32_t{value.bits} << 16); }

// Vectors ------------------------------------------------------------------------------------------------------

#if defined(__AVX512F__)

constexpr int kLanes = 16;
constexpr int kRegisters = 32;
using Vector = __m512;
using Words = __m512i;
MOESAIC_INLINE Vector load(const float* from) { return _mm512_loadu_ps(from); }
MOESAIC_INLINE Vector load(const Bf16* from) {
  return _mm512_castsi512_ps(
      _mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(from))), 16));
}
MOESAIC_INLINE void load_interleaved(const Bf16* from, Vector& even, Vector& odd) {
  const __m512i both = _mm512_loadu_si512(from);
  even = _mm512_castsi512_ps(_mm512_slli_epi32(both, 16));
  odd = _mm512_castsi512_ps(_mm512_and_epi32(both, _mm512_set1_epi32(~0xFFFF)));
}
MOESAIC_INLINE __m128i load_bytes(const std::uint8_t* from) {
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
}
MOESAIC_INLINE Vector load_signed(const std::uint8_t* from) {
  return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(load_bytes(from)));
}
MOESAIC_INLINE Words load_unsigned(const std::uint8_t* from) { return _mm512_cvtepu8_epi32(load_bytes(from)); }
MOESAIC_INLINE Vector to_floats(Words words) { return _mm512_cvtepi32_ps(words); }
MOESAIC_INLINE Words lower_nibble(Words words) { return _mm512_and_epi32(words, _mm512_set1_epi32(15)); }
MOESAIC_INLINE Words upper_nibble(Words words) { return _mm512_srli_epi32(words, 4); }
MOESAIC_INLINE void store(float* to, Vector vector) { _mm512_storeu_ps(to, vector); }
MOESAIC_INLINE Vector broadcast(float value) { return _mm512_set1_ps(value); }
MOESAIC_INLINE Vector multiply_add(Vector a, Vector b, Vector c) { return _mm512_fmadd_ps(a, b, c); }
MOESAIC_INLINE Vector greater(Vector a, Vector b) { return _mm512_max_ps(a, b); }
MOESAIC_INLINE float greatest_of(Vector vector) { return _mm512_reduce_max_ps(vector); }
/// 2^n for whole n.
MOESAIC_INLINE Vector power_of_two(Vector n) {
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_add_epi32(_mm512_cvtps_epi32(n), _mm512_set1_epi32(127)), 23));
}

#elif defined(__AVX2__)

constexpr int kLanes = 8;
constexpr int kRegisters = 16;
using Vector = __m256;
using Words = __m256i;
MOESAIC_INLINE Vector load(const float* from) { return _mm256_loadu_ps(from); }
MOESAIC_INLINE Vector load(const Bf16* from) {
  return _mm256_castsi256_ps(
      _mm256_slli_epi32(_mm256_cvtepu16_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from))), 16));
}
MOESAIC_INLINE void load_interleaved(const Bf16* from, Vector& even, Vector& odd) {
  const __m256i both = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
  even = _mm256_castsi256_ps(_mm256_slli_epi32(both, 16));
  odd = _mm256_castsi256_ps(_mm256_and_si256(both, _mm256_set1_epi32(~0xFFFF)));
}
MOESAIC_INLINE __m128i load_bytes(const std::uint8_t* from) {
  return _mm_loadl_epi64(reinterpret_cast<const __m128i*>(from));
}
MOESAIC_INLINE Vector load_signed(const std::uint8_t* from) {
  return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(load_bytes(from)));
}
MOESAIC_INLINE Words load_unsigned(const std::uint8_t* from) { return _mm256_cvtepu8_epi32(load_bytes(from)); }
MOESAIC_INLINE Vector to_floats(Words words) { return _mm256_cvtepi32_ps(words); }
MOESAIC_INLINE Words lower_nibble(Words words) { return _mm256_and_si256(words, _mm256_set1_epi32(15)); }
MOESAIC_INLINE Words upper_nibble(Words words) { return _mm256_srli_epi32(words, 4); }
MOESAIC_INLINE void store(float* to, Vector vector) { _mm256_storeu_ps(to, vector); }
MOESAIC_INLINE Vector broadcast(float value) { return _mm256_set1_ps(value); }
MOESAIC_INLINE Vector multiply_add(Vector a, Vector b, Vector c) { return _mm256_fmadd_ps(a, b, c); }
MOESAIC_INLINE Vector greater(Vector a, Vector b) { return _mm256_max_ps(a, b); }
MOESAIC_INLINE float greatest_of(Vector vector) {
  __m128 four = _mm_max_ps(_mm256_castps256_ps128(vector), _mm256_extractf128_ps(vector, 1));
  four = _mm_max_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_max_ss(four, _mm_movehdup_ps(four)));
}
MOESAIC_INLINE Vector power_of_two(Vector n) {
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127)), 23));
}

#else  // any processor: four lanes, which compilers know as they are

constexpr int kLanes = 4;
constexpr int kRegisters = 16;
using Vector = float __attribute__((vector_size(16)));
using Words = std::int32_t __attribute__((vector_size(16)));
MOESAIC_INLINE Vector load(const float* from) {
  Vector vector;
  __builtin_memcpy(&vector, from, sizeof vector);
  return vector;
}
MOESAIC_INLINE Vector load(const Bf16* from) {
  return Vector{widen(from[0]), widen(from[1]), widen(from[2]), widen(from[3])};
}
MOESAIC_INLINE void load_interleaved(const Bf16* from, Vector& even, Vector& odd) {
  Words both;
  __builtin_memcpy(&both, from, sizeof both);
  even = __builtin_bit_cast(Vector, both << 16);
  odd = __builtin_bit_cast(Vector, both & ~0xFFFF);
}
MOESAIC_INLINE Words load_unsigned(const std::uint8_t* from) { return Words{from[0], from[1], from[2], from[3]}; }
MOESAIC_INLINE Vector to_floats(Words words) { return __builtin_convertvector(words, Vector); }
MOESAIC_INLINE Vector load_signed(const std::uint8_t* from) { return to_floats((load_unsigned(from) ^ 128) - 128); }
MOESAIC_INLINE Words lower_nibble(Words words) { return words & 15; }
MOESAIC_INLINE Words upper_nibble(Words words) { return words >> 4; }
MOESAIC_INLINE void store(float* to, Vector vector) { __builtin_memcpy(to, &vector, sizeof vector); }
MOESAIC_INLINE Vector broadcast(float value) { return Vector{value, value, value, value}; }
MOESAIC_INLINE Vector multiply_add(Vector a, Vector b, Vector c) { return a * b + c; }
MOESAIC_INLINE Vector greater(Vector a, Vector b) {
  return Vector{a[0] > b[0] ? a[0] : b[0], a[1] > b[1] ? a[1] : b[1], a[2] > b[2] ? a[2] : b[2],
                a[3] > b[3] ? a[3] : b[3]};
}
MOESAIC_INLINE float greatest_of(Vector vector) {
  float greatest = vector[0];
  for (int i = 1; i < kLanes; ++i) {
    greatest = vector[i] > greatest ? vector[i] : greatest;
  }
  return greatest;
}
MOESAIC_INLINE Vector power_of_two(Vector n) {
  return __builtin_bit_cast(Vector, (__builtin_convertvector(n, Words) + 127) << 23);
}

#endif

/// In a fixed order.
MOESAIC_INLINE float sum_of(Vector vector) {
  float lanes[kLanes];
  store(lanes, vector);
  for (int width = kLanes / 2; width > 0; width /= 2) {
    for (int i = 0; i < width; ++i) {
      lanes[i] += lanes[i + width];
    }
  }
  return lanes[0];
}

/// e^x as in exponential.hpp, for x <= 0.
MOESAIC_INLINE Vector exponential(Vector x) {
  x = greater(x, broadcast(-87.0F));
  const Vector round = broadcast(12582912.0F);
  const Vector n = multiply_add(x, broadcast(1.44269504F), round) - round;
  const Vector r = multiply_add(n, broadcast(2.12194440e-4F), multiply_add(n, broadcast(-0.693359375F), x));
  Vector p = broadcast(1.9875691500e-4F);
  for (const float next : {1.3981999507e-3F, 8.3334519073e-3F, 4.1665795894e-2F, 1.6666665459e-1F, 5.0000001201e-1F}) {
    p = multiply_add(p, r, broadcast(next));
  }
  return (multiply_add(p * r, r, r) + broadcast(1)) * power_of_two(n);
}

// Attention ----------------------------------------------------------------------------------------------------

constexpr int kCacheLine = 64;
constexpr int kSecondLevel = 2;  // of caches: the first has too few lines on their way for whole pages
constexpr int kTokenVectors = kPageLanes / kLanes;
constexpr int kMostHeads = kRegisters == 32 ? 8 : kLanes == 8 ? 4 : 2;  ///< whose sums fit into registers
constexpr int kPagesAtOnce = 4;                                         ///< between two looks at the greatest score
constexpr int kTokensAtOnce = kPagesAtOnce * kPageLanes;
constexpr int kState = kPageLanes + 1;  ///< of a head: sums of weights, lane by lane, and the greatest score so far

/// Two neighbouring dimensions of a vector of tokens; of a vector of dimensions two neighbouring tokens.
MOESAIC_INLINE void load_two(const float* from, int stride, Vector& even, Vector& odd) {
  even = load(from);
  odd = load(from + stride);
}
MOESAIC_INLINE void load_two(const Bf16* from, int, Vector& even, Vector& odd) { load_interleaved(from, even, odd); }
/// Where element `i` of a row of `width` begins in the pair of rows that `pair` counts.
template <class T>
MOESAIC_INLINE int in_pair(int pair, int width, int i) {
  return 2 * pair * width + (sizeof(T) == sizeof(Bf16) ? 2 * i : i);
}

/// A few pages that lie one behind the other in a sequence.
template <class T>
struct Pages {
  const T* keys[kPagesAtOnce];
  const T* values[kPagesAtOnce];
  const T* next_keys[kPagesAtOnce];  ///< of the pages that come after, fetched ahead
  const T* next_values[kPagesAtOnce];
  int count;
  int tokens;  ///< of all pages
};

/// The softmax goes on page by page without knowing the greatest score in advance: scores become weights, and what
/// was summed before has to shrink by the result.
MOESAIC_INLINE float soften(float* scores, int count, int tokens, float scale, float* state) {
  for (int t = tokens; t < count * kPageLanes; ++t) {
    scores[t] = -__builtin_inff();
  }
  const int vectors = count * kTokenVectors;
  Vector most = broadcast(-__builtin_inff());
  for (int v = 0; v < vectors; ++v) {
    most = greater(most, load(scores + v * kLanes));
  }
  const float before = state[kPageLanes], here = greatest_of(most) * scale;
  const float greatest = here > before ? here : before;
  const float shrink = __builtin_expf(before - greatest);
  Vector sums[kTokenVectors];
  unrolled<kTokenVectors>([&](auto v)
                              MOESAIC_INLINE_LAMBDA { sums[v] = load(state + v * kLanes) * broadcast(shrink); });
  for (int page = 0; page < count; ++page) {
    unrolled<kTokenVectors>([&](auto v) MOESAIC_INLINE_LAMBDA {
      float* at = scores + page * kPageLanes + v * kLanes;
      const Vector weight = exponential(multiply_add(load(at), broadcast(scale), broadcast(-greatest)));
      store(at, weight);
      sums[v] = sums[v] + weight;
    });
  }
  unrolled<kTokenVectors>([&](auto v) MOESAIC_INLINE_LAMBDA { store(state + v * kLanes, sums[v]); });
  for (int t = tokens; t < count * kPageLanes; ++t) {  // e^-87 is not nothing
    scores[t] = 0;
  }
  state[kPageLanes] = greatest;
  return shrink;
}

/// Scores of one page for `Heads` query heads.
template <class T, int Heads>
MOESAIC_INLINE void score_page(const PagedHeads<T>& of, int first, const T* keys, const T* next_keys, float* scores) {
  const int dim = of.dim;
  const float* query = of.query + first * dim;
  // A few heads leave too few sums in flight: even and odd dimensions then have their own.
  constexpr int kSums = Heads * kTokenVectors >= 8 ? 1 : 2;
  Vector sums[kSums * Heads * kTokenVectors];
  unrolled<kSums * Heads * kTokenVectors>([&](auto i) MOESAIC_INLINE_LAMBDA { sums[i] = broadcast(0); });
  constexpr int kLines = 2 * kPageLanes * static_cast<int>(sizeof(T)) / kCacheLine;
  for (int pair = 0; pair < dim / 2; ++pair) {
    unrolled<kLines>([&](auto line) MOESAIC_INLINE_LAMBDA {
      constexpr int kElements = kCacheLine / static_cast<int>(sizeof(T));
      __builtin_prefetch(next_keys + (pair * kLines + line) * kElements, 0, kSecondLevel);
    });
    unrolled<kTokenVectors>([&](auto v) MOESAIC_INLINE_LAMBDA {
      Vector even, odd;
      load_two(keys + in_pair<T>(pair, kPageLanes, v * kLanes), kPageLanes, even, odd);
      unrolled<Heads>([&](auto h) MOESAIC_INLINE_LAMBDA {
        const float* element = query + h * dim + 2 * pair;
        Vector& first_sum = sums[h * kTokenVectors + v];
        first_sum = multiply_add(broadcast(element[0]), even, first_sum);
        Vector& second_sum = sums[((kSums - 1) * Heads + h) * kTokenVectors + v];
        second_sum = multiply_add(broadcast(element[1]), odd, second_sum);
      });
    });
  }
  unrolled<Heads * kTokenVectors>([&](auto i) MOESAIC_INLINE_LAMBDA {
    Vector sum = sums[i];
    if constexpr (kSums == 2) {
      sum = sum + sums[Heads * kTokenVectors + i];
    }
    store(scores + i / kTokenVectors * kTokensAtOnce + i % kTokenVectors * kLanes, sum);
  });
}

/// A few pages for `Heads` query heads from `first` on: scores, the softmax so far, and the share of their values.
template <class T, int Heads>
MOESAIC_INLINE void attend_pages(const PagedHeads<T>& of, int first, const Pages<T>& pages) {
  const int dim = of.dim;
  alignas(64) float weights[Heads * kTokensAtOnce];
  for (int page = 0; page < pages.count; ++page) {
    score_page<T, Heads>(of, first, pages.keys[page], pages.next_keys[page], weights + page * kPageLanes);
  }
  float shrink[Heads];
  for (int h = 0; h < Heads; ++h) {
    shrink[h] =
        soften(weights + h * kTokensAtOnce, pages.count, pages.tokens, of.scale, of.state + (first + h) * kState);
  }
  constexpr int kBlock = kRegisters == 32 ? 2 : 1;  // vectors of the output at once
  constexpr int kFetched = (2 * kBlock * kLanes * static_cast<int>(sizeof(T)) + kCacheLine - 1) / kCacheLine;
  float* output = of.output + first * dim;
  int i = 0;
  for (; i + kBlock * kLanes <= dim; i += kBlock * kLanes) {
    Vector outputs[Heads * kBlock];
    unrolled<Heads * kBlock>([&](auto at) MOESAIC_INLINE_LAMBDA {
      outputs[at] = load(output + at / kBlock * dim + i + at % kBlock * kLanes) * broadcast(shrink[at / kBlock]);
    });
    for (int page = 0; page < pages.count; ++page) {
      for (int pair = 0; pair < kPageLanes / 2; ++pair) {
        // The part of the page that comes after which this loop will read then.
        unrolled<kFetched>([&](auto line) MOESAIC_INLINE_LAMBDA {
          constexpr int kElements = kCacheLine / static_cast<int>(sizeof(T));
          constexpr bool kApart = sizeof(T) != sizeof(Bf16);  // the two rows of a pair
          const int row = kApart ? line % 2 * dim : 0, column = (kApart ? line / 2 : line) * kElements;
          __builtin_prefetch(pages.next_values[page] + in_pair<T>(pair, dim, i) + row + column, 0, kSecondLevel);
        });
        unrolled<kBlock>([&](auto b) MOESAIC_INLINE_LAMBDA {
          Vector even, odd;
          load_two(pages.values[page] + in_pair<T>(pair, dim, i + b * kLanes), dim, even, odd);
          unrolled<Heads>([&](auto h) MOESAIC_INLINE_LAMBDA {
            const float* weight = weights + h * kTokensAtOnce + page * kPageLanes + 2 * pair;
            Vector& sum = outputs[h * kBlock + b];
            sum = multiply_add(broadcast(weight[1]), odd, multiply_add(broadcast(weight[0]), even, sum));
          });
        });
      }
    }
    unrolled<Heads * kBlock>([&](auto at) MOESAIC_INLINE_LAMBDA {
      store(output + at / kBlock * dim + i + at % kBlock * kLanes, outputs[at]);
    });
  }
  for (; i < dim; ++i) {
    for (int h = 0; h < Heads; ++h) {
      float sum = output[h * dim + i] * shrink[h];
      for (int t = 0; t < pages.tokens; ++t) {
        const int row = t % kPageLanes;
        const T* pair = pages.values[t / kPageLanes] + in_pair<T>(row / 2, dim, i);
        sum += weights[h * kTokensAtOnce + t] * widen(pair[row % 2 * (sizeof(T) == sizeof(Bf16) ? 1 : dim)]);
      }
      output[h * dim + i] = sum;
    }
  }
}

#if defined(__AMX_BF16__)

constexpr int kTileRows = 16;
constexpr int kTileDims = 32;  // 64 bytes of a tile's row

/// Palette 1 (Intel 64 manual, LDTILECFG): rows and bytes of a row for each of eight tiles.
struct TileConfig {
  std::uint8_t palette = 1, start_row = 0, reserved[14] = {};
  std::uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 32};
  std::uint8_t rows[16] = {};

  explicit TileConfig(int heads) {
    // 0 to 3: sums of heads; 4 and 7: queries and weights of heads; 5: 16 pairs of dimensions; 6: 8 pairs of tokens.
    for (const int tile : {0, 1, 2, 3, 4, 7}) {
      rows[tile] = static_cast<std::uint8_t>(heads);
    }
    rows[5] = 16;
    rows[6] = kPageLanes / 2;
  }
};

MOESAIC_INLINE void zero_sums() {
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
}
MOESAIC_INLINE void store_sums(float* to, int stride, int apart) {
  const auto bytes = static_cast<std::size_t>(stride) * sizeof(float);
  _tile_stored(0, to, bytes);
  _tile_stored(1, to + apart, bytes);
  _tile_stored(2, to + 2 * apart, bytes);
  _tile_stored(3, to + 3 * apart, bytes);
}
/// Sum number `which` += tile `A` times tile `B`, which has just been loaded from `from`.
#define MOESAIC_ADD_PRODUCT(which, A, B, from, bytes) \
  _tile_loadd(B, from, bytes);                        \
  _tile_dpbf16ps(which, A, B)

MOESAIC_INLINE Bf16 rounded(float value) {
  const auto bits = __builtin_bit_cast(std::uint32_t, value);
  return {static_cast<std::uint16_t>((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16)};
}

/// Fetches `lines` cache lines from `from` on.
MOESAIC_INLINE void fetch(const Bf16* from, int lines) {
  for (int line = 0; line < lines; ++line) {
    __builtin_prefetch(from + line * (kCacheLine / static_cast<int>(sizeof(Bf16))), 0, kSecondLevel);
  }
}

/// As attend_pages, for all heads at once on the matrix unit. Queries and weights are rounded to 16 bits. Missing
/// pages of the last four are read as the first one again, with no weight.
void attend_tiles(const PagedHeads<Bf16>& of, const Bf16* query, const Pages<Bf16>& pages) {
  const int dim = of.dim, heads = of.heads;
  const Bf16 *keys[kPagesAtOnce], *values[kPagesAtOnce];
  for (int page = 0; page < kPagesAtOnce; ++page) {
    keys[page] = pages.keys[page < pages.count ? page : 0];
    values[page] = pages.values[page < pages.count ? page : 0];
  }
  alignas(64) float weights[kTileRows * kTokensAtOnce];
  static_assert(kPagesAtOnce == 4);
  zero_sums();
  for (int d = 0; d < dim; d += kTileDims) {
    _tile_loadd(4, query + d, static_cast<std::size_t>(dim) * sizeof(Bf16));
    const int at = d * kPageLanes;
    MOESAIC_ADD_PRODUCT(0, 4, 5, keys[0] + at, 64);
    MOESAIC_ADD_PRODUCT(1, 4, 5, keys[1] + at, 64);
    MOESAIC_ADD_PRODUCT(2, 4, 5, keys[2] + at, 64);
    MOESAIC_ADD_PRODUCT(3, 4, 5, keys[3] + at, 64);
    for (int page = 0; page < pages.count; ++page) {
      fetch(pages.next_keys[page] + at, kTileDims * kPageLanes * 2 / kCacheLine);
    }
  }
  store_sums(weights, kTokensAtOnce, kPageLanes);
  float shrink[kTileRows];
  alignas(64) Bf16 short_weights[kTileRows * kTokensAtOnce];
  for (int h = 0; h < heads; ++h) {
    float* mine = weights + h * kTokensAtOnce;
    shrink[h] = soften(mine, pages.count, pages.tokens, of.scale, of.state + h * kState);
    for (int t = 0; t < kTokensAtOnce; ++t) {
      short_weights[h * kTokensAtOnce + t] = rounded(t < pages.tokens ? mine[t] : 0.0F);
    }
  }
  const auto row_bytes = 2 * static_cast<std::size_t>(dim) * sizeof(Bf16);
  alignas(64) float sums[kTileRows * 64];
  for (int i = 0; i < dim; i += 64) {
    const bool whole = i + 64 <= dim;
    zero_sums();
    for (int page = 0; page < kPagesAtOnce; ++page) {
      _tile_loadd(7, short_weights + page * kPageLanes, kTokensAtOnce * sizeof(Bf16));
      const Bf16* from = values[page] + 2 * i;
      MOESAIC_ADD_PRODUCT(0, 7, 6, from, row_bytes);
      MOESAIC_ADD_PRODUCT(1, 7, 6, from + 32, row_bytes);
      if (whole) {
        MOESAIC_ADD_PRODUCT(2, 7, 6, from + 64, row_bytes);
        MOESAIC_ADD_PRODUCT(3, 7, 6, from + 96, row_bytes);
      }
      if (page < pages.count) {
        const int lines = dim * kPageLanes * 2 / kCacheLine, share = whole ? lines * 64 / dim : lines * 32 / dim;
        fetch(pages.next_values[page] + i * kPageLanes, share);
      }
    }
    store_sums(sums, 64, kLanes);
    for (int h = 0; h < heads; ++h) {
      for (int at = 0; at < (whole ? 64 : 32); at += kLanes) {
        float* output = of.output + h * dim + i + at;
        store(output, multiply_add(load(output), broadcast(shrink[h]), load(sums + h * 64 + at)));
      }
    }
  }
}

#endif

template <class T>
void attend(const PagedHeads<T>& of) {
#if defined(__AMX_BF16__)
  constexpr int kMostDims = 512;
  const bool by_tiles = sizeof(T) == sizeof(Bf16) && of.heads > 1 && of.heads <= kTileRows && of.dim % kTileDims == 0 &&
                        of.dim <= kMostDims;
  alignas(64) Bf16 query[kTileRows * kMostDims];
  if (by_tiles) {
    for (int i = 0; i < of.heads * of.dim; ++i) {
      query[i] = rounded(of.query[i]);
    }
    const TileConfig config(of.heads);
    _tile_loadconfig(&config);
  }
#endif
  for (int h = 0; h < of.heads; ++h) {
    float* state = of.state + h * kState;
    for (int i = 0; i < kPageLanes; ++i) {
      state[i] = 0;
    }
    state[kPageLanes] = -__builtin_inff();
    for (int i = 0; i < of.dim; ++i) {
      of.output[h * of.dim + i] = 0;
    }
  }
  for (int begin = 0; begin < of.page_count; begin += kPagesAtOnce) {
    Pages<T> pages;
    const int left = of.page_count - begin;
    pages.count = left < kPagesAtOnce ? left : kPagesAtOnce;
    pages.tokens = of.context - begin * kPageLanes;
    pages.tokens = pages.tokens < kTokensAtOnce ? pages.tokens : kTokensAtOnce;
    for (int page = 0; page < pages.count; ++page) {
      const int index = begin + page, after = index + kPagesAtOnce;
      const std::size_t next = of.pages[after < of.page_count ? after : index];
      pages.keys[page] = of.keys + of.pages[index];
      pages.values[page] = of.values + of.pages[index];
      pages.next_keys[page] = of.keys + next;
      pages.next_values[page] = of.values + next;
    }
#if defined(__AMX_BF16__)
    if constexpr (sizeof(T) == sizeof(Bf16)) {
      if (by_tiles) {
        attend_tiles(of, query, pages);
        continue;
      }
    }
#endif
    // A page is read from memory once, whatever the number of heads, and then from a cache.
    int head = 0;
    for (; head + kMostHeads <= of.heads; head += kMostHeads) {
      attend_pages<T, kMostHeads>(of, head, pages);
    }
    if constexpr (kMostHeads > 4) {
      for (; head + 4 <= of.heads; head += 4) {
        attend_pages<T, 4>(of, head, pages);
      }
    }
    for (; head < of.heads; ++head) {
      attend_pages<T, 1>(of, head, pages);
    }
  }
#if defined(__AMX_BF16__)
  if (by_tiles) {
    _tile_release();
  }
#endif
  for (int h = 0; h < of.heads; ++h) {
    float sum = 0;
    for (int i = 0; i < kPageLanes; ++i) {
      sum += of.state[h * kState + i];
    }
    for (int i = 0; i < of.dim; ++i) {
      of.output[h * of.dim + i] /= sum;
    }
  }
}

// Products -----------------------------------------------------------------------------------------------------

/// A group of one column's weights.
template <WeightFormat Format>
struct Group {
  const std::uint8_t* bytes;
  float scale = 1, zero = 0;
#if defined(__AVX512F__)
  Vector table;  ///< int4: the value of every nibble
#endif

  MOESAIC_INLINE Group(const FewRows& of, int column, int index) {
    constexpr std::size_t kBytes = Format == WeightFormat::fp32   ? kGroup * 4
                                   : Format == WeightFormat::bf16 ? kGroup * 2
                                   : Format == WeightFormat::int8 ? kGroup
                                                                  : kGroup / 2;
    bytes = of.w + static_cast<std::size_t>(column) * of.w_stride + static_cast<std::size_t>(index) * kBytes;
    if constexpr (Format == WeightFormat::int8 || Format == WeightFormat::int4) {
      const std::size_t at =
          static_cast<std::size_t>(column) * static_cast<std::size_t>(of.k / kGroup) + static_cast<std::size_t>(index);
      scale = widen(of.scales[at]);
      if constexpr (Format == WeightFormat::int4) {
        zero = static_cast<float>(of.zeros[at]);
#if defined(__AVX512F__)
        table =
            (_mm512_setr_ps(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15) - broadcast(zero)) * broadcast(scale);
#endif
      }
    }
  }

  /// Two vectors, half a group apart.
  MOESAIC_INLINE void pair(int at, Vector& low, Vector& high) const {
    constexpr int kHalf = kGroup / 2;
    if constexpr (Format == WeightFormat::fp32) {
      low = load(reinterpret_cast<const float*>(bytes) + at);
      high = load(reinterpret_cast<const float*>(bytes) + at + kHalf);
    } else if constexpr (Format == WeightFormat::bf16) {
      low = load(reinterpret_cast<const Bf16*>(bytes) + at);
      high = load(reinterpret_cast<const Bf16*>(bytes) + at + kHalf);
    } else if constexpr (Format == WeightFormat::int8) {
      low = load_signed(bytes + at) * broadcast(scale);
      high = load_signed(bytes + at + kHalf) * broadcast(scale);
    } else {
      const Words both = load_unsigned(bytes + at);
#if defined(__AVX512F__)
      low = _mm512_permutexvar_ps(both, table);  // looks at the lower four bits only
      high = _mm512_permutexvar_ps(upper_nibble(both), table);
#else
      low = (to_floats(lower_nibble(both)) - broadcast(zero)) * broadcast(scale);
      high = (to_floats(upper_nibble(both)) - broadcast(zero)) * broadcast(scale);
#endif
    }
  }
};

template <WeightFormat Format, int Rows, int Columns>
MOESAIC_INLINE void block(const FewRows& of, int row, int column) {
  Vector sums[Rows * Columns];
  unrolled<Rows * Columns>([&](auto i) MOESAIC_INLINE_LAMBDA { sums[i] = broadcast(0); });
  const float* x = of.x + static_cast<std::size_t>(row) * of.x_stride;
  const int groups = of.k / kGroup;
  for (int g = 0; g < groups; ++g) {
    const auto add = [&](const auto&... group) MOESAIC_INLINE_LAMBDA {
      const Group<Format> columns[] = {group...};
      for (int at = 0; at < kGroup / 2; at += kLanes) {
        Vector low[Columns], high[Columns];
        unrolled<Columns>([&](auto c) MOESAIC_INLINE_LAMBDA { columns[c].pair(at, low[c], high[c]); });
        const float* here = x + g * kGroup + at;
        unrolled<Rows>([&](auto r) MOESAIC_INLINE_LAMBDA {
          const float* of_row = here + static_cast<std::size_t>(r) * of.x_stride;
          const Vector x_low = load(of_row), x_high = load(of_row + kGroup / 2);
          unrolled<Columns>([&](auto c) MOESAIC_INLINE_LAMBDA {
            Vector& sum = sums[r * Columns + c];
            sum = multiply_add(x_high, high[c], multiply_add(x_low, low[c], sum));
          });
        });
      }
    };
    if constexpr (Columns == 4) {
      add(Group<Format>(of, column, g), Group<Format>(of, column + 1, g), Group<Format>(of, column + 2, g),
          Group<Format>(of, column + 3, g));
    } else if constexpr (Columns == 2) {
      add(Group<Format>(of, column, g), Group<Format>(of, column + 1, g));
    } else {
      add(Group<Format>(of, column, g));
    }
  }
  unrolled<Rows * Columns>([&](auto i) MOESAIC_INLINE_LAMBDA {
    constexpr int kRow = i / Columns, kColumn = i % Columns;
    float sum = sum_of(sums[i]);
    if constexpr (Format == WeightFormat::fp32 || Format == WeightFormat::bf16) {
      using Element = std::conditional_t<Format == WeightFormat::fp32, float, Bf16>;
      const auto* w = reinterpret_cast<const Element*>(of.w + static_cast<std::size_t>(column + kColumn) * of.w_stride);
      for (int at = groups * kGroup; at < of.k; ++at) {
        sum += x[kRow * of.x_stride + static_cast<std::size_t>(at)] * widen(w[at]);
      }
    }
    of.y[static_cast<std::size_t>(row + kRow) * of.y_stride + static_cast<std::size_t>(column + kColumn)] = sum;
  });
}

template <WeightFormat Format, int Rows>
void rows_by_columns(const FewRows& of, int row) {
  constexpr int kColumns = kRegisters == 32 ? 4 : Rows == 4 ? 2 : 4;
  int column = 0;
  for (; column + kColumns <= of.columns; column += kColumns) {
    block<Format, Rows, kColumns>(of, row, column);
  }
  for (; column < of.columns; ++column) {
    block<Format, Rows, 1>(of, row, column);
  }
}

template <WeightFormat Format>
void few_rows_of(const FewRows& of) {
  int row = 0;
  for (; row + 4 <= of.rows; row += 4) {
    rows_by_columns<Format, 4>(of, row);
  }
  for (; row + 2 <= of.rows; row += 2) {
    rows_by_columns<Format, 2>(of, row);
  }
  for (; row < of.rows; ++row) {
    rows_by_columns<Format, 1>(of, row);
  }
}

void few_rows(const FewRows& of) {
  switch (of.format) {
    case WeightFormat::fp32:
      return few_rows_of<WeightFormat::fp32>(of);
    case WeightFormat::bf16:
      return few_rows_of<WeightFormat::bf16>(of);
    case WeightFormat::int8:
      return few_rows_of<WeightFormat::int8>(of);
    case WeightFormat::int4:
      return few_rows_of<WeightFormat::int4>(of);
  }
}

}  // namespace

extern const VectorKernels kKernels;
const VectorKernels kKernels{attend<float>, attend<Bf16>, few_rows};

}  // namespace moesaic::cpu::MOESAIC_INSTRUCTIONS
