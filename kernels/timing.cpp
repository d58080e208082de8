#include "kernels/timing.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <vector>

#include "base/error.hpp"
#include "base/statistics.hpp"

namespace moesaic {
namespace {

constexpr double kNormal = 1.4826;  // standard deviations in one median absolute deviation or half quartile distance
constexpr double kMedianInterval = 1.96 * 1.2533;  // 95% of a median, in standard deviations over sqrt(samples)
constexpr int kMostCalls = 1 << 20;

bool raised(const std::atomic<bool>* stop) { return stop != nullptr && stop->load(std::memory_order_relaxed); }

// The median absolute deviation does not see that two of five samples are elsewhere; the distance of the quartiles
// does.
double deviation(const std::vector<double>& samples, double middle) {
  std::vector<double> deviations;
  deviations.reserve(samples.size());
  for (const double sample : samples) {
    deviations.push_back(std::abs(sample - middle));
  }
  const double quartiles = percentile(samples, 0.75) - percentile(samples, 0.25);
  return std::max(median(std::move(deviations)), quartiles / 2) * kNormal;
}

void judge(const std::vector<double>& samples, const TimingRule& rule, Timing& timing) {
  const double middle = median(samples);
  timing.samples = static_cast<int>(samples.size());
  timing.median = {middle};
  timing.spread = middle > 0 ? deviation(samples, middle) / middle : 0;
  timing.half_interval = kMedianInterval * timing.spread / std::sqrt(static_cast<double>(samples.size()));
  timing.converged = timing.samples >= rule.fewest_samples && timing.half_interval <= rule.confidence;
  timing.noisy = timing.spread > rule.noisy;
}

// A chain in which every step needs the one before it: its time is the core's clock and nothing else.
std::uint64_t chain(std::uint64_t seed) {
  for (int i = 0; i < 100'000; ++i) {
    seed = seed * 6364136223846793005U + 1442695040888963407U;
    asm volatile("" : "+r"(seed));
  }
  return seed;
}

}  // namespace

Clock steady_clock() {
  return [] {
    return Seconds{std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count()};
  };
}

Timing time_samples(const Sampler& sample, const TimingRule& rule, const Clock& clock, const std::atomic<bool>* stop) {
  MOESAIC_ASSERT(rule.fewest_samples >= 1 && rule.most_samples >= rule.fewest_samples);
  Timing timing{.caches = rule.caches};
  const Seconds begin = clock();

  Seconds shortest{INFINITY}, now = begin;
  do {
    if (raised(stop)) {
      return timing;
    }
    shortest = std::min(shortest, sample(1));
    now = clock();
  } while (now - begin < rule.warm_up && now - begin < rule.budget * 0.5);

  if (shortest < rule.shortest_sample) {
    const double calls = std::ceil(rule.shortest_sample.value / std::max(shortest.value, 1e-9));
    timing.calls_per_sample = static_cast<int>(std::clamp(calls, 1.0, double{kMostCalls}));
  }

  std::vector<double> samples;
  while (timing.samples < rule.most_samples && !raised(stop)) {
    samples.push_back(sample(timing.calls_per_sample).value / timing.calls_per_sample);
    now = clock();
    judge(samples, rule, timing);
    if (timing.converged || (now - begin >= rule.budget && timing.samples >= std::min(3, rule.fewest_samples))) {
      break;
    }
  }
  return timing;
}

Timing time_calls(const std::function<void()>& call, const TimingRule& rule, const Clock& clock,
                  const std::atomic<bool>* stop, const std::function<void()>& prepare) {
  TimingRule used = rule;
  if (prepare) {
    used.shortest_sample = {};  // what is prepared is one call
  }
  const Sampler sample = [&](int calls) {
    if (prepare) {
      prepare();
    }
    const Seconds before = clock();
    for (int i = 0; i < calls; ++i) {
      call();
    }
    return clock() - before;
  };
  return time_samples(sample, used, clock, stop);
}

MachineNoise measure_noise(const Clock& clock, int samples, double limit) {
  std::vector<double> times;
  std::uint64_t value = chain(1);
  for (int i = 0; i < samples; ++i) {
    const Seconds before = clock();
    value = chain(value);
    times.push_back((clock() - before).value);
  }
  const double fast = percentile(times, 0.1), middle = median(times);
  const double late = fast > 0 ? percentile(times, 0.9) / fast - 1 : 0;
  const double lost = middle > 0 ? mean(times) / middle - 1 : 0;
  const double spread = std::max(late, lost);
  return {.spread = spread, .noisy = spread > limit};
}

}  // namespace moesaic
