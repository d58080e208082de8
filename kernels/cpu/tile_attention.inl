// Part of vector_kernels.inl: the same on the matrix unit, where there is one.

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
