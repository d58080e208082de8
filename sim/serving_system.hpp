// What a serving run needs to know of the machine that serves: how long a step takes, and what fits.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "model/batch.hpp"
#include "sim/predict.hpp"

namespace moesaic {

/// The seam between admission and prediction. Tests put a function of their own in place of a machine.
struct ServingSystem {
  /// Time of one step of the whole replica. Groups of one new token are decodes.
  std::function<Seconds(const Batch&)> step;
  /// Whether requests that reach `context` tokens in the mean fit into memory at once.
  std::function<bool(double requests, double context)> fits;
  double groups = 1;              ///< of data-parallel attention, over which requests are spread evenly
  std::int64_t most_context = 0;  ///< tokens of the longest request; 0: any
  /// Contexts from which on a further token costs something else: windows of attention.
  struct Window {
    double tokens = 0;
    bool repeats = false;  ///< aligned chunks: at every multiple
  };
  std::vector<Window> windows{};
};

/// `deployment` must outlive it. Memory: as predict() has it, with prompts of `prompt` tokens at most in steps of
/// `step_tokens`. Not for several threads at once.
ServingSystem serving_system(const Deployment& deployment, double prompt, double step_tokens);

/// The most requests of `context` tokens that fit at once; 0: none.
std::int64_t most_requests(const ServingSystem& system, double context);

}  // namespace moesaic
