// Private to calibrate: the kernels of a transformer layer by the names that layer profilers give them.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "calibrate/measurement.hpp"

namespace moesaic {

/// The dimensions of a network that its kernels' shapes follow from.
struct LayerDimensions {
  double hidden = 0;
  double heads = 0;
  double kv_heads = 0;
  double head_dim = 0;
  double inter = 0;
  double vocabulary = 0;
  double up_matrices = 2;  ///< 2 where gate and up are one product
};

/// A kernel as one of our families: a matrix product, or element-wise work whose width is the values of one token that
/// it makes.
struct LayerKernel {
  Family family = Family::gemm;
  std::string_view kernel;
  ShapeValues shape{};
};
/// By the source's name for it ("mlp_up_proj", "gate_up_proj", "rotary_emb"); nothing where the name is unknown or the
/// dimensions that it needs are 0. `tensor_parallel` GPUs share the heads and the intermediate values.
std::optional<LayerKernel> layer_kernel(std::string_view name, const LayerDimensions& model, double tokens,
                                        double tensor_parallel);

/// Dimensions of a model from its published config.json, for tables that only name it.
const LayerDimensions* layer_dimensions(std::string_view model);

}  // namespace moesaic
