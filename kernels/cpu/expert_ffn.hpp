// The routed experts of one layer: each expert gathers the rows of the tokens that chose it, multiplies them by its
// gate and up matrices, applies SiLU, multiplies by its down matrix, and each token sums what its experts return.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "base/dtype.hpp"
#include "base/quantity.hpp"
#include "kernels/cpu/instructions.hpp"
#include "kernels/cpu/threads.hpp"

namespace moesaic::cpu {

struct ExpertShape {
  int hidden = 1;
  int inter = 1;
  int experts = 1;
  int top_k = 1;
  int most_tokens = 1;
};

struct ExpertOptions {
  Instructions instructions = best_instructions();
  /// Experts with more rows than a few are multiplied by oneDNN where it is there, which takes activations in the
  /// weights' format: bf16 then rounds them too.
  bool libraries = true;
};

enum class ExpertMatrix : unsigned char { gate, up, down };

class ExpertFfn {
 public:
  /// storage: of weights: fp32, bf16, or int8 or int4 by groups of 128, of which hidden and inter are then multiples;
  /// activations and sums are fp32. Throws std::bad_alloc.
  ExpertFfn(const ExpertShape& shape, DType storage, const Threads& threads, const ExpertOptions& options = {});
  ~ExpertFfn();

  /// Who goes where: the expert and the weight of every choice, [tokens][top_k].
  void route(std::span<const int> experts, std::span<const float> weights);
  /// Token by token to the next top_k experts in turn, as even as can be, beginning with expert `first`.
  void route_evenly(int tokens, int first = 0);
  void run();
  /// [tokens][hidden] of the last run.
  std::span<const float> output() const;

  Bytes weight_bytes() const;  ///< of all experts, scales included
  float input(int token, int i) const;
  /// gate and up are [inter][hidden], down is [hidden][inter].
  float weight(ExpertMatrix matrix, int expert, int row, int column) const;

  struct Impl;

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace moesaic::cpu
