// Part of vector_kernels.inl: few rows times weights as they come from memory.

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
