// Part of vector_kernels.inl: one new token against a paged cache.

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

#include "kernels/cpu/tile_attention.inl"

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
