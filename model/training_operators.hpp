// A layer of a training step written out as the operators of one rank: forward, recomputed, backward.
#pragma once

#include <cstddef>
#include <vector>

#include "model/layer_operators.hpp"
#include "model/training.hpp"

namespace moesaic {

/// What a collective of a training step serves.
enum class Parallelism : std::uint8_t { none, tensor, context, expert };

enum class Pass : std::uint8_t { forward, recompute, backward_input, backward_weights };
inline constexpr std::size_t kPassCount = 4;

struct TrainingOperator {
  Operator op;
  Pass pass = Pass::forward;
  Parallelism serves = Parallelism::none;
  /// A collective: the operator that it runs beside, which waits for nothing of it; -1: it runs on its own.
  int beside = -1;
};

/// One layer, or the input or output part, for one micro-batch.
struct TrainingLayer {
  std::vector<TrainingOperator> operators;  ///< in the order they run
  Bytes kept{};                             ///< activations held from the forward to the backward pass
  Bytes working{};                          ///< most that is held besides while the layer is worked on
  double dense_parameters = 0;              ///< of this rank: attention, dense and shared feed-forward, routers
  double expert_parameters = 0;             ///< of this rank: routed experts
};

/// What a group of `tensor` x `context` ranks works on: `micro_batch` sequences; its replica_tokens such that the
/// layer's experts see the tokens of all ranks that share one copy of them. `mapping`: with sequence parallelism.
RankBatch training_batch(const Training& training, const Mapping& mapping);

/// `context`: with `training` set and a mapping that has sequence parallelism (one rank has it trivially).
TrainingLayer training_layer(const LayerKind& layer, const LayerContext& context, const RankBatch& batch,
                             const Training& training);
/// Embedding look-up; `learned_positions` rows of a second table.
TrainingLayer training_input(const LayerContext& context, const RankBatch& batch, std::int64_t learned_positions);
/// Final norm, lm_head and loss; nothing of them is computed again.
TrainingLayer training_output(const LayerContext& context, const RankBatch& batch);

/// Appends what the backward pass does for the first `forward` operators, last one first. A product gives two: the
/// gradient of its input and that of its weights (accumulated in fp32); fused attention five products for two, linear
/// attention 2.5 times its arithmetic (the same ratio: two products for each of four, and states and scores again);
/// element-wise operators read the gradient too; collectives are mirrored (all-gather and reduce-scatter, dispatch and
/// combine). Keys and values of context parallelism come again, and their gradients go back: around the ring both
/// together beside the gradients of attention (2310.01889). As in Megatron-LM, the gather of a product's input (again)
/// runs beside the gradient of its input, and the reduction of that gradient beside the gradient of its weights.
void append_backward(std::size_t forward, std::vector<TrainingOperator>& operators);

/// Bytes that the first `forward` operators keep for the backward pass when only `recompute` is done again.
Bytes kept_activations(const std::vector<TrainingOperator>& operators, std::size_t forward, Recompute recompute);

/// Labels of attention that is written out.
inline constexpr const char* kWrittenScores = "scores q k";
inline constexpr const char* kWrittenSoftmax = "softmax";
inline constexpr const char* kWrittenDropout = "dropout";
inline constexpr const char* kWrittenValues = "probabilities v";
/// Label of the weighted sum of experts' results.
inline constexpr const char* kUnpermute = "unpermute";
/// Whether the operator is one of written-out attention.
bool is_written_attention(const Operator& op);
/// Whether selective recomputation does this operator again; where attention is written out, nothing but attention.
bool recomputed_selectively(const Operator& op, bool written_attention);

}  // namespace moesaic
