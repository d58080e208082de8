#include "kernels/cpu/expert_ffn.hpp"

#include <cmath>

#include "base/error.hpp"
#include "kernels/cpu/buffer.hpp"
#include "kernels/cpu/exponential.hpp"
#include "kernels/cpu/multiply.hpp"
#include "kernels/cpu/vector_clones.hpp"

namespace moesaic::cpu {
namespace {

constexpr int kColumns = 16;  // of a task: as many weight rows as stay in the first-level cache together
constexpr int kPanel = 384;
constexpr int kRows = 64;

std::size_t at(int row, int width) { return static_cast<std::size_t>(row) * static_cast<std::size_t>(width); }

/// y[rows, columns] = x w^T, panel by panel.
template <class W>
void product(const float* x, const W* w, int k, Block<float> y, int rows, int columns) {
  for (int row = 0; row < rows; ++row) {
    std::fill_n(y.data + static_cast<std::size_t>(row) * y.stride, columns, 0.0F);
  }
  const auto stride = static_cast<std::size_t>(k);
  for (int panel = 0; panel < k; panel += kPanel) {
    const int depth = std::min(kPanel, k - panel);
    for (int row = 0; row < rows; row += kRows) {
      multiply_add({x + at(row, k) + panel, stride}, {w + panel, stride},
                   {y.data + static_cast<std::size_t>(row) * y.stride, y.stride}, std::min(kRows, rows - row), columns,
                   depth);
    }
  }
}

MOESAIC_VECTOR_CLONES void silu_times(float* __restrict gate, const float* __restrict up, int size) {
#pragma omp simd
  for (int i = 0; i < size; ++i) {
    gate[i] = gate[i] / (1 + exponential(-gate[i])) * up[i];
  }
}

}  // namespace

struct ExpertFfn::Impl {
  Impl(const ExpertShape& s, const Threads& t)
      : shape(s),
        threads(t),
        x(at(s.most_tokens, s.hidden)),
        gathered(at(s.most_tokens * s.top_k, s.hidden)),
        middle(at(s.most_tokens * s.top_k, s.inter)),
        up(at(s.most_tokens * s.top_k, s.inter)),
        expert_out(at(s.most_tokens * s.top_k, s.hidden)),
        y(at(s.most_tokens, s.hidden)) {
    MOESAIC_ASSERT(s.top_k >= 1 && s.top_k <= s.experts);
    x.fill(t, [](std::size_t i) { return small_number(i); });
  }
  virtual ~Impl() = default;
  virtual void gate_and_up(int expert, int first, int columns) = 0;
  virtual void down(int expert, int first, int columns) = 0;
  virtual float weight(ExpertMatrix matrix, std::size_t element) const = 0;

  int rows(int expert) const {
    return begin[static_cast<std::size_t>(expert) + 1] - begin[static_cast<std::size_t>(expert)];
  }
  int first_row(int expert) const { return begin[static_cast<std::size_t>(expert)]; }

  /// Blocks of columns of every expert that has rows: fn(expert, first column, columns).
  template <class Function>
  void each_block(int width, const Function& fn) const {
    const int blocks = (width + kColumns - 1) / kColumns;
    threads.balanced(static_cast<int>(used.size()) * blocks, [&](int task) {
      const int first = task % blocks * kColumns;
      fn(used[static_cast<std::size_t>(task / blocks)], first, std::min(kColumns, width - first));
    });
  }

  ExpertShape shape;
  Threads threads;
  int tokens = 0;
  double element_bytes = 4;
  std::vector<int> used;          ///< experts that have rows
  std::vector<int> begin;         ///< first row of each expert, and the end of the last
  std::vector<int> token_of_row;  ///< rows are sorted by expert
  std::vector<int> row_of_choice;
  std::vector<float> weight_of_choice;
  Buffer<float> x, gathered, middle, up, expert_out, y;
};

namespace {

template <class W>
struct Experts final : ExpertFfn::Impl {
  Experts(const ExpertShape& s, const Threads& t) : Impl(s, t) {
    element_bytes = sizeof(W);
    for (std::size_t m = 0; m < 3; ++m) {
      weights[m] = Buffer<W>(at(s.experts * s.inter, s.hidden));
      // About 1 / sqrt(width), so that a layer's output is as large as its input.
      const float scale = 2 / std::sqrt(static_cast<float>(m == 2 ? s.inter : s.hidden));
      weights[m].fill(t, [&](std::size_t i) {
        const float value = scale * small_number(3 * i + m);
        if constexpr (std::is_same_v<W, Bf16>) {
          return to_bf16(value);
        } else {
          return value;
        }
      });
    }
  }

  const W* rows_of(std::size_t matrix, int expert, int first) const {
    const int height = matrix == 2 ? shape.hidden : shape.inter, width = matrix == 2 ? shape.inter : shape.hidden;
    return weights[matrix].data() + at(expert * height + first, width);
  }

  void gate_and_up(int expert, int first, int columns) override {
    const int row = first_row(expert), count = rows(expert);
    const float* in = gathered.data() + at(row, shape.hidden);
    const auto stride = static_cast<std::size_t>(shape.inter);
    const std::size_t out = at(row, shape.inter) + static_cast<std::size_t>(first);
    product(in, rows_of(0, expert, first), shape.hidden, {middle.data() + out, stride}, count, columns);
    product(in, rows_of(1, expert, first), shape.hidden, {up.data() + out, stride}, count, columns);
    for (int i = 0; i < count; ++i) {
      silu_times(middle.data() + out + at(i, shape.inter), up.data() + out + at(i, shape.inter), columns);
    }
  }

  void down(int expert, int first, int columns) override {
    const int row = first_row(expert);
    product(middle.data() + at(row, shape.inter), rows_of(2, expert, first), shape.inter,
            {expert_out.data() + at(row, shape.hidden) + first, static_cast<std::size_t>(shape.hidden)}, rows(expert),
            columns);
  }

  float weight(ExpertMatrix matrix, std::size_t element) const override {
    const W value = weights[static_cast<std::size_t>(matrix)][element];
    if constexpr (std::is_same_v<W, Bf16>) {
      return to_float(value);
    } else {
      return value;
    }
  }

  Buffer<W> weights[3];
};

}  // namespace

ExpertFfn::ExpertFfn(const ExpertShape& shape, DType storage, const Threads& threads) {
  MOESAIC_ASSERT(storage == DType::bf16 || storage == DType::fp32);
  if (storage == DType::bf16) {
    impl_ = std::make_unique<Experts<Bf16>>(shape, threads);
  } else {
    impl_ = std::make_unique<Experts<float>>(shape, threads);
  }
}
ExpertFfn::~ExpertFfn() = default;

void ExpertFfn::route(std::span<const int> experts, std::span<const float> weights) {
  Impl& own = *impl_;
  const auto top_k = static_cast<std::size_t>(own.shape.top_k);
  MOESAIC_ASSERT(experts.size() == weights.size() && experts.size() % top_k == 0);
  own.tokens = static_cast<int>(experts.size() / top_k);
  MOESAIC_ASSERT(own.tokens <= own.shape.most_tokens);
  own.begin.assign(static_cast<std::size_t>(own.shape.experts) + 1, 0);
  for (const int expert : experts) {
    ++own.begin[static_cast<std::size_t>(expert) + 1];
  }
  own.used.clear();
  for (int expert = 0; expert < own.shape.experts; ++expert) {
    const auto index = static_cast<std::size_t>(expert);
    if (own.begin[index + 1] > 0) {
      own.used.push_back(expert);
    }
    own.begin[index + 1] += own.begin[index];
  }
  std::vector<int> next(own.begin.begin(), own.begin.end() - 1);
  own.token_of_row.resize(experts.size());
  own.row_of_choice.resize(experts.size());
  for (std::size_t choice = 0; choice < experts.size(); ++choice) {
    const int row = next[static_cast<std::size_t>(experts[choice])]++;
    own.row_of_choice[choice] = row;
    own.token_of_row[static_cast<std::size_t>(row)] = static_cast<int>(choice / top_k);
  }
  own.weight_of_choice.assign(weights.begin(), weights.end());
}

void ExpertFfn::route_evenly(int tokens, int first) {
  const auto choices = at(tokens, impl_->shape.top_k);
  std::vector<int> experts(choices);
  for (std::size_t i = 0; i < choices; ++i) {
    experts[i] =
        static_cast<int>((i + static_cast<std::size_t>(first)) % static_cast<std::size_t>(impl_->shape.experts));
  }
  route(experts, std::vector<float>(choices, 1.0F / static_cast<float>(impl_->shape.top_k)));
}

void ExpertFfn::run() {
  Impl& own = *impl_;
  const int hidden = own.shape.hidden, top_k = own.shape.top_k;
  own.threads.balanced(own.tokens * top_k, [&](int row) {
    std::copy_n(own.x.data() + at(own.token_of_row[static_cast<std::size_t>(row)], hidden), hidden,
                own.gathered.data() + at(row, hidden));
  });
  own.each_block(own.shape.inter, [&](int expert, int first, int columns) { own.gate_and_up(expert, first, columns); });
  own.each_block(hidden, [&](int expert, int first, int columns) { own.down(expert, first, columns); });
  // The scatter-add, written from the token's side: no two threads add to the same row, and the order is fixed.
  own.threads.balanced(own.tokens, [&](int token) {
    float* out = own.y.data() + at(token, hidden);
    std::fill_n(out, hidden, 0.0F);
    for (int i = 0; i < top_k; ++i) {
      const std::size_t choice = at(token, top_k) + static_cast<std::size_t>(i);
      const float* in = own.expert_out.data() + at(own.row_of_choice[choice], hidden);
      for (int column = 0; column < hidden; ++column) {
        out[column] += own.weight_of_choice[choice] * in[column];
      }
    }
  });
}

std::span<const float> ExpertFfn::output() const {
  return impl_->y.view().first(at(impl_->tokens, impl_->shape.hidden));
}

Bytes ExpertFfn::weight_bytes() const {
  const ExpertShape& shape = impl_->shape;
  return {3 * static_cast<double>(at(shape.experts * shape.inter, shape.hidden)) * impl_->element_bytes};
}

float ExpertFfn::input(int token, int i) const {
  return impl_->x[at(token, impl_->shape.hidden) + static_cast<std::size_t>(i)];
}

float ExpertFfn::weight(ExpertMatrix matrix, int expert, int row, int column) const {
  const ExpertShape& shape = impl_->shape;
  const bool is_down = matrix == ExpertMatrix::down;
  const int height = is_down ? shape.hidden : shape.inter, width = is_down ? shape.inter : shape.hidden;
  return impl_->weight(matrix, at(expert * height + row, width) + static_cast<std::size_t>(column));
}

}  // namespace moesaic::cpu
