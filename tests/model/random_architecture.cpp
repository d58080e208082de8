#include "tests/model/random_architecture.hpp"

#include <string>

#include "model/precision.hpp"
#include "tests/model/draw.hpp"

namespace moesaic {
namespace {

SoftmaxAttention any_softmax() {
  SoftmaxAttention attention;
  attention.heads = any_of<std::int64_t>({8, 16, 32, 64});
  attention.kv_heads = any_of<std::int64_t>({1, 2, 4, 8});
  attention.qk_dim = any_of<std::int64_t>({64, 128, 192});
  attention.v_dim = any_of<std::int64_t>({64, 128});
  attention.window = any_of<std::int64_t>({0, 0, 128, 500, 4096});
  attention.chunked = coin();
  attention.output_gate = coin();
  if (up_to(5) == 1) {
    attention.experts = 8;
    attention.experts_per_token = 2;
  }
  return attention;
}

Attention any_attention() {
  switch (up_to(6)) {
    case 1:
    case 2:
      return any_softmax();
    case 3:
    case 4:
      return LatentAttention{.heads = any_of<std::int64_t>({16, 64, 128}),
                             .q_rank = any_of<std::int64_t>({0, 1536}),
                             .kv_rank = 512,
                             .nope_dim = 128,
                             .rope_dim = 64,
                             .v_dim = 128,
                             .indexer = {.heads = 32, .dim = 128, .top_k = any_of<std::int64_t>({0, 256, 2048})}};
    case 5:
      return LightningAttention{.heads = any_of<std::int64_t>({16, 64}), .head_dim = 128};
    default:
      return GatedDeltaNet{.key_heads = 16, .value_heads = 32, .key_dim = 128, .value_dim = 128, .conv_kernel = 4};
  }
}

FeedForward any_feed_forward() {
  const int matrices = any_of({2, 3});
  if (up_to(3) == 1) {
    return DenseFeedForward{.width = 256 * up_to(100), .matrices = matrices};
  }
  MoeFeedForward moe;
  moe.experts = any_of<std::int64_t>({8, 16, 64, 128});
  moe.experts_per_token = up_to(8);
  moe.width = 256 * up_to(40);
  moe.matrices = matrices;
  moe.shared_width = any_of<std::int64_t>({0, 1024});
  moe.shared_gate = coin();
  return moe;
}

}  // namespace

Architecture any_architecture() {
  Architecture architecture;
  architecture.name = "random";
  architecture.hidden = 256 * up_to(30);
  architecture.vocabulary = 1000 * up_to(150);
  architecture.tied_embeddings = coin();
  architecture.learned_positions = any_of<std::int64_t>({0, 0, 2048});
  const auto kinds = up_to(3);
  for (std::int64_t i = 0; i < kinds; ++i) {
    architecture.kinds.push_back({any_attention(), any_feed_forward()});
  }
  const auto layers = up_to(8);
  for (std::int64_t i = 0; i < layers; ++i) {
    architecture.layers.push_back(static_cast<int>(i % kinds));
  }
  architecture.blocks = fold_layers(architecture.layers);
  Precision& precision = architecture.precision;
  precision =
      with_weights(precision, parse_storage_type(any_of<std::string>({"bf16", "fp8", "fp8-block", "int4", "mxfp4"})));
  precision.kv = parse_storage_type(any_of<std::string>({"bf16", "fp8"}));
  return architecture;
}

}  // namespace moesaic
