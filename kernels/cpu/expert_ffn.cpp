#include "kernels/cpu/expert_ffn.hpp"

#include <cmath>
#include <limits>

#include "base/error.hpp"
#include "kernels/cpu/buffer.hpp"
#include "kernels/cpu/exponential.hpp"
#include "kernels/cpu/gemm_libraries.hpp"
#include "kernels/cpu/stored_weights.hpp"
#include "kernels/cpu/vector_clones.hpp"

namespace moesaic::cpu {
namespace {

constexpr int kTaskColumns = 16;  // of a task

std::size_t at(int row, int width) { return static_cast<std::size_t>(row) * static_cast<std::size_t>(width); }

MOESAIC_VECTOR_CLONES void silu_times(float* __restrict gate, const float* __restrict up, int size) {
#pragma omp simd
  for (int i = 0; i < size; ++i) {
    gate[i] = gate[i] / (1 + exponential(-gate[i])) * up[i];
  }
}

}  // namespace

struct ExpertFfn::Impl {
  Impl(const ExpertShape& s, DType storage, const Threads& t, const ExpertOptions& options)
      : shape(s),
        threads(t),
        instructions(options.instructions),
        x(at(s.most_tokens, s.hidden)),
        gathered(at(s.most_tokens * s.top_k, s.hidden)),
        middle(at(s.most_tokens * s.top_k, s.inter)),
        up(at(s.most_tokens * s.top_k, s.inter)),
        expert_out(at(s.most_tokens * s.top_k, s.hidden)),
        y(at(s.most_tokens, s.hidden)) {
    MOESAIC_ASSERT(s.top_k >= 1 && s.top_k <= s.experts);
    if (options.libraries && (storage == DType::bf16 || storage == DType::fp32)) {
      library = plain_product(storage, t);
    }
    if (library && storage == DType::bf16) {
      rounded = Buffer<Bf16>(at(s.most_tokens * s.top_k, std::max(s.hidden, s.inter)));
    }
    x.fill(t, [](std::size_t i) { return small_number(i); });
    for (Buffer<float>* computed : {&gathered, &middle, &up, &expert_out, &y}) {
      computed->fill(t, [](std::size_t) { return std::numeric_limits<float>::quiet_NaN(); });
    }
    for (std::size_t m = 0; m < 3; ++m) {
      const bool is_down = m == 2;
      const int height = is_down ? s.hidden : s.inter, width = is_down ? s.inter : s.hidden;
      // About 1 / sqrt(width), so that a layer's output is as large as its input.
      const float scale = 2 / std::sqrt(static_cast<float>(width));
      weights[m] = StoredWeights(storage, s.experts * height, width, t,
                                 [&](std::size_t i) { return scale * small_number(3 * i + m); });
    }
  }

  void product(std::size_t matrix, const float* in, int expert, int first, int columns, float* out) const {
    const int height = matrix == 2 ? shape.hidden : shape.inter, width = matrix == 2 ? shape.inter : shape.hidden;
    weights[matrix].multiply(in, static_cast<std::size_t>(width), rows(expert), expert * height + first, columns, out,
                             static_cast<std::size_t>(height), instructions);
  }

  void gate_and_up(int expert, int first, int columns) {
    const int row = first_row(expert);
    const float* in = gathered.data() + at(row, shape.hidden);
    const std::size_t out = at(row, shape.inter) + static_cast<std::size_t>(first);
    product(0, in, expert, first, columns, middle.data() + out);
    product(1, in, expert, first, columns, up.data() + out);
    for (int i = 0; i < rows(expert); ++i) {
      silu_times(middle.data() + out + at(i, shape.inter), up.data() + out + at(i, shape.inter), columns);
    }
  }

  void down(int expert, int first, int columns) {
    const int row = first_row(expert);
    product(2, middle.data() + at(row, shape.inter), expert, first, columns,
            expert_out.data() + at(row, shape.hidden) + first);
  }

  bool is_many(int expert) const { return library && rows(expert) > kFewRows; }

  /// Rows of one expert as the library takes them, in the weights' format.
  const void* library_input(const float* in, int expert, int width) {
    if (rounded.size() == 0) {
      return in;
    }
    threads.parallel(rows(expert), [&](int row) {
      for (std::size_t i = at(row, width); i < at(row + 1, width); ++i) {
        rounded[i] = to_bf16(in[i]);
      }
    });
    return rounded.data();
  }

  /// The library's own threads share one expert after the other.
  void many_gate_and_up(int expert) {
    const int count = rows(expert), width = shape.inter;
    const std::size_t out = at(first_row(expert), width);
    const void* in = library_input(gathered.data() + at(first_row(expert), shape.hidden), expert, shape.hidden);
    library->run(in, weights[0].column(expert * width), middle.data() + out, count, width, shape.hidden);
    library->run(in, weights[1].column(expert * width), up.data() + out, count, width, shape.hidden);
    threads.parallel(count, [&](int row) {
      silu_times(middle.data() + out + at(row, width), up.data() + out + at(row, width), width);
    });
  }

  void many_down(int expert) {
    const void* in = library_input(middle.data() + at(first_row(expert), shape.inter), expert, shape.inter);
    library->run(in, weights[2].column(expert * shape.hidden), expert_out.data() + at(first_row(expert), shape.hidden),
                 rows(expert), shape.hidden, shape.inter);
  }

  int rows(int expert) const {
    return begin[static_cast<std::size_t>(expert) + 1] - begin[static_cast<std::size_t>(expert)];
  }
  int first_row(int expert) const { return begin[static_cast<std::size_t>(expert)]; }

  /// Blocks of columns of every expert that has few rows: fn(expert, first column, columns).
  template <class Function>
  void each_block(int width, const Function& fn) const {
    const int blocks = (width + kTaskColumns - 1) / kTaskColumns;
    threads.balanced(static_cast<int>(few.size()) * blocks, [&](int task) {
      const int first = task % blocks * kTaskColumns;
      fn(few[static_cast<std::size_t>(task / blocks)], first, std::min(kTaskColumns, width - first));
    });
  }

  ExpertShape shape;
  Threads threads;
  Instructions instructions;
  int tokens = 0;
  std::vector<int> few, many;     ///< experts that have rows: by our own loops, by the library
  std::vector<int> begin;         ///< first row of each expert, and the end of the last
  std::vector<int> token_of_row;  ///< rows are sorted by expert
  std::vector<int> row_of_choice;
  std::vector<float> weight_of_choice;
  Buffer<float> x, gathered, middle, up, expert_out, y;
  Buffer<Bf16> rounded;  ///< rows of one expert
  StoredWeights weights[3];
  std::unique_ptr<PlainProduct> library;
};

ExpertFfn::ExpertFfn(const ExpertShape& shape, DType storage, const Threads& threads, const ExpertOptions& options)
    : impl_(std::make_unique<Impl>(shape, storage, threads, options)) {}
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
  own.few.clear();
  own.many.clear();
  for (int expert = 0; expert < own.shape.experts; ++expert) {
    const auto index = static_cast<std::size_t>(expert);
    own.begin[index + 1] += own.begin[index];
    if (own.rows(expert) > 0) {
      (own.is_many(expert) ? own.many : own.few).push_back(expert);
    }
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
  for (const int expert : own.many) {
    own.many_gate_and_up(expert);
    own.many_down(expert);
  }
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
  return impl_->weights[0].bytes() + impl_->weights[1].bytes() + impl_->weights[2].bytes();
}

float ExpertFfn::input(int token, int i) const {
  return impl_->x[at(token, impl_->shape.hidden) + static_cast<std::size_t>(i)];
}

float ExpertFfn::weight(ExpertMatrix matrix, int expert, int row, int column) const {
  const ExpertShape& shape = impl_->shape;
  const bool is_down = matrix == ExpertMatrix::down;
  return impl_->weights[static_cast<std::size_t>(matrix)].element(expert * (is_down ? shape.hidden : shape.inter) + row,
                                                                  column);
}

}  // namespace moesaic::cpu
