// Requests that come without end and are served in passes over all layers: each pass takes the prompts of those that
// enter together with one token of all that run, so that weights which are streamed serve both (MoE-Lens's VSLPipe,
// arXiv:2504.09345). The steady state, and a batch of many requests with its first and last passes.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "sim/predict.hpp"

namespace moesaic {

/// All requests have `prompt` + `generated` tokens. Their ages are evenly spread: as many enter in a pass as leave.
struct RequestStream {
  std::int64_t prompt = 1024;
  std::int64_t generated = 256;
  std::int64_t block = 1;                 ///< tokens of a block of the cache
  std::optional<std::int64_t> running{};  ///< requests at once; absent: as many as fit
  std::optional<Bytes> cache{};           ///< most that their caches may take, over all memories
  std::optional<std::int64_t>
      pass_tokens{};                       ///< most tokens of a pass; absent: as many as its activations' memory holds
  std::optional<std::int64_t> requests{};  ///< of a batch that begins and ends; absent: only the steady state
};

/// Why there are no more requests at once.
enum class StreamBound : std::uint8_t { asked, cache, pass_tokens, device_memory, host_memory, storage };
std::string_view to_text(StreamBound bound);

/// A batch of many requests: passes in which their number grows, the steady ones, and those in which none enters.
struct StreamBatch {
  double passes = 0;
  Seconds total;
  PerSecond output_tokens;
};

struct StreamPrediction {
  double entering = 0;                           ///< requests a pass
  double running = 0;                            ///< of any age, those that enter too
  double prompt_tokens = 0, decoded_tokens = 0;  ///< of a pass
  Bytes cache{};                                 ///< of those that run
  StreamBound bound = StreamBound::asked;
  ReplicaMemory memory;
  PhasePrediction pass;
  Interval pass_interval;
  Seconds request;          ///< from its first pass to its last token
  PerSecond output_tokens;  ///< generated ones, in the steady state
  PerSecond total_tokens;   ///< prompts included
  std::optional<StreamBatch> batch;
};

/// Mean tokens that a request keeps in its cache over its passes, in whole blocks: after its pass with the prompt, and
/// after each of the `generated` - 1 others.
double mean_cached(const RequestStream& stream);

/// Most tokens of a pass with `running` requests, where no budget of a pass limits them.
double most_pass_tokens(const RequestStream& stream, double running);

/// What a search asks of a stream.
struct StreamPace {
  Seconds pass;
  PerSecond output_tokens;
};
/// As predict_stream() says them, without limits; `stream.running` and no `requests` are given. Throws UserError.
StreamPace stream_pace(const Deployment& deployment, const RequestStream& stream);

/// Throws UserError: a figure that is none, more than fits, fewer requests than run at once, pipeline stages.
StreamPrediction predict_stream(const Deployment& deployment, const RequestStream& stream);

}  // namespace moesaic
