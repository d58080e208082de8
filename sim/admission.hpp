// A serving run with continuous admission: requests wait, join the running batch where there is room, decode, and
// leave.
//
// Steps are whole: what arrives during one waits for its end. First come, first served: a request that does not fit
// yet holds up those behind it. A request reserves the memory of its whole length, so that none is ever put out again.
// Between two events that change the batch (a request ends, or one that could be admitted arrives) decode steps are not
// taken one by one: their times lie on a curve that is nearly straight, and are summed in closed form.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "sim/gap_sample.hpp"
#include "sim/prompt_queue.hpp"
#include "sim/requests.hpp"
#include "sim/serving_system.hpp"

namespace moesaic {

/// What to run, and how much of it counts.
struct ServingLoad {
  RequestLoad requests;
  AdmissionRules rules;
  std::int64_t count = 1000;  ///< requests that are counted; more follow them until the last of them has ended
  /// Requests before them. Those of them that a closed loop begins with are somewhere in their answer at the start, as
  /// if it had run for long; without any it begins with `batch` requests that come together.
  std::int64_t warm_up = 0;
  bool step_by_step = false;  ///< every decode step by itself: slow, for tests
};
/// Throws UserError for a number that is not positive or too large.
void check(const ServingLoad& load);

struct ServedRequest {
  Seconds arrival{};
  Seconds start{};        ///< of the first step that works on its prompt
  Seconds first_token{};  ///< end of the step that finishes its prompt
  Seconds end{};          ///< of the step that gives its last token
  RequestLengths lengths;
  bool ended = false;
  Seconds queueing() const { return start - arrival; }
  Seconds to_first_token() const { return first_token - arrival; }
  Seconds whole() const { return end - arrival; }
};

/// What happened from when the first counted request was admitted until the last of them had ended.
struct ServingRecord {
  std::vector<ServedRequest> requests;  ///< counted ones, by arrival; all ended unless the run was stopped
  bool stopped = false;
  Seconds span{};
  GapSample gaps;  ///< between tokens of whichever request
  double output_tokens = 0;
  double prompt_tokens = 0;
  double ended = 0;            ///< requests
  double running_seconds = 0;  ///< request-seconds: admitted and not ended
  std::int64_t decode_steps = 0, mixed_steps = 0, prompt_steps = 0;
  double grown = 0;  ///< requests that the last counted one found waiting, less those that the first one found
  double mean_running() const { return span > Seconds{} ? running_seconds / span.value : 0; }
  std::int64_t steps() const { return decode_steps + mixed_steps + prompt_steps; }
};

/// Called now and then with how many counted requests have ended; false stops the run.
using ServingProgress = std::function<bool(std::int64_t ended)>;

/// Throws UserError for a request that is longer than the model's context or does not fit into memory alone.
ServingRecord serve(const ServingLoad& load, const ServingSystem& system, const ServingProgress& progress = {});

}  // namespace moesaic
