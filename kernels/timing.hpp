// How a kernel is timed. A measurement has phases (warm-up, samples), a rule that stops it, and a verdict: how many
// samples, how far they spread, whether that is too far to be trusted.
#pragma once

#include <atomic>
#include <functional>

#include "base/quantity.hpp"

namespace moesaic {

/// Seconds since some fixed moment; never goes back. Passed in, so that tests can let time pass as they like.
using Clock = std::function<Seconds()>;
Clock steady_clock();

/// What the caches hold when a timed call begins.
enum class Caches : unsigned char {
  warm,  ///< what the call before it left there
  cold,  ///< nothing of what this call will read: its data are larger than the caches, or used in rotation
};

struct TimingRule {
  Caches caches = Caches::warm;    ///< a statement of the caller, repeated in the result
  Seconds warm_up{10e-3};          ///< at least one call, and calls for this long, are not counted
  Seconds budget{500e-3};          ///< of all phases together; a sample that has begun is finished
  Seconds shortest_sample{50e-6};  ///< shorter calls are repeated within a sample: the clock's own cost must not show
  int fewest_samples = 5;
  int most_samples = 1000;
  double confidence = 0.02;  ///< stop when the median is known this well: half of its 95% interval, relative
  double noisy = 0.10;       ///< a spread above this is noise
};

struct Timing {
  Seconds median{};   ///< of one call
  double spread = 0;  ///< median absolute deviation, or half the quartiles' distance if that is more, over the median;
                      ///< scaled to a normal's standard deviation
  double half_interval = 0;  ///< half of the median's 95% confidence interval, relative
  int samples = 0;           ///< zero: stopped before the first one, and nothing else is meaningful
  int calls_per_sample = 1;
  Caches caches = Caches::warm;
  bool converged = false;  ///< the rule's confidence was reached within its budget
  bool noisy = false;      ///< the spread exceeds the rule's
};

/// Runs so many calls and says how long they took together, by whatever clock suits them.
using Sampler = std::function<Seconds(int calls)>;
/// Times the calls of `sample`; `clock` is for the budget. Ends early, with the samples so far, when *stop becomes
/// true.
Timing time_samples(const Sampler& sample, const TimingRule& rule, const Clock& clock,
                    const std::atomic<bool>* stop = nullptr);

/// Times `call` by `clock`. `prepare`, if given, runs untimed before every sample, which is then a single call. Ends
/// early, with the samples so far, when *stop becomes true.
Timing time_calls(const std::function<void()>& call, const TimingRule& rule, const Clock& clock,
                  const std::atomic<bool>* stop = nullptr, const std::function<void()>& prepare = {});

/// How steadily the machine does the same work: a fixed chain of integer arithmetic, timed again and again.
struct MachineNoise {
  double spread = 0;  ///< 90th percentile over 10th, or mean over median if that is more, minus one: the mean sees
                      ///< the few long interruptions by other programs, which percentiles hide
  bool noisy = false;
};
MachineNoise measure_noise(const Clock& clock, int samples = 250, double limit = 0.10);

}  // namespace moesaic
