// What tests of GPU measurements share.
#pragma once

#include "calibrate/measure_gpu.hpp"
#include "tests/kernels/cuda/stub_runtime.hpp"

namespace moesaic {

/// One small network of every kind.
inline ModelShapes small_shapes() {
  return {.products = {{1536, 1024}, {1024, 1024}, {4096, 1024}, {1024, 2048}},
          .heads = {{16, 4, 128, 0}, {8, 8, 64, 512}},
          .latent_heads = {16, 128},
          .states = {{16, 128}},
          .experts = {{1024, 512, 2, 8, 1}, {2048, 768, 8, 128, 1}},
          .hidden = {1024, 4096},
          .inner = {2048}};
}

/// Measures a stub by its own clock.
inline GpuMeasureOptions stub_options(cuda::StubRuntime& stub, Seconds budget = {780}) {
  GpuMeasureOptions options;
  options.budget = budget;
  options.shapes = small_shapes();
  options.clock = stub.clock();
  return options;
}

}  // namespace moesaic
