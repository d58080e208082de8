// Part of vector_kernels.inl: vectors of the instruction set at hand, and loops over constants.

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
