// Time per output token of an engine under a closed loop, at steady state, without simulating it.
//
// `concurrency` users each wait for their answer and then ask again: `input` prompt tokens, `output` generated ones.
// Requests are out of step with each other, as they are once a loop has run for a while or lengths vary.
// Steps are the clock (Little's law, counted in steps instead of seconds):
//  * a request decodes for output - 1 steps; in them each of the others, by turns, is admitted once;
//  * continuous batching with chunked prefill (Agrawal et al., "Sarathi-Serve", arXiv 2403.02310; the default of vLLM
//    and of TensorRT-LLM): a step takes all decoding requests and up to `step_tokens` tokens of prompts. A prompt is in
//    p = ceil(input / step_tokens) steps, so that of (concurrency - 1) others the share (output-1) / (output-1+p) is
//    decoding, and a decode step shares its time with a chunk with probability others * p / (output - 1);
//  * where that would exceed one, chunks come in every step: several prompts share it, until the step's tokens are
//    used up. Then fewer requests decode and the rest wait before their first token;
//  * prefill first (SGLang's default): prompts have steps of their own, before which all decoding requests wait.
// With data-parallel attention the groups step together: a chunk in one of them holds up all.
#pragma once

#include <functional>
#include <vector>

#include "base/quantity.hpp"
#include "model/batch.hpp"

namespace moesaic {

struct ClosedLoop {
  double concurrency = 1;  ///< requests of the whole replica
  double input = 1;
  double output = 2;
  double step_tokens = 8192;  ///< most tokens of one step of one group
  double groups = 1;          ///< of data-parallel attention
  bool mixed = true;          ///< chunks ride on decode steps; false: prefill first
};

struct WeightedBatch {
  double weight = 1;
  Batch batch;
};

/// The steps that pass between two tokens of a request: on average `weight` of each kind.
std::vector<WeightedBatch> closed_loop_steps(const ClosedLoop& loop);

/// Their time: the sum of weight * step(batch).
Seconds closed_loop_tpot(const ClosedLoop& loop, const std::function<Seconds(const Batch&)>& step);

}  // namespace moesaic
