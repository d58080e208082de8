// A measurement stops when it should and says how good it is. Time is made up: no test here waits for anything.
#include "kernels/timing.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "kernels/background.hpp"

namespace moesaic {
namespace {

/// A clock that moves only when a call does work.
struct FakeTime {
  Seconds now{};
  int calls = 0;
  Clock clock() {
    return [this] { return now; };
  }
  /// A call that takes durations[0], durations[1], ... and then from the start again.
  std::function<void()> call(std::vector<double> durations) {
    return [this, durations = std::move(durations)] {
      now += Seconds{durations[static_cast<std::size_t>(calls++) % durations.size()]};
    };
  }
};

constexpr TimingRule kRule{.warm_up{10e-3}, .budget{1}, .fewest_samples = 5, .most_samples = 1000};

TEST(Timing, SteadyCallsStopAtTheFewestSamples) {
  FakeTime time;
  const Timing timing = time_calls(time.call({1e-3}), kRule, time.clock());
  EXPECT_NEAR(timing.median.value, 1e-3, 1e-12);
  EXPECT_EQ(timing.samples, 5);
  EXPECT_NEAR(timing.spread, 0, 1e-9);
  EXPECT_TRUE(timing.converged);
  EXPECT_FALSE(timing.noisy);
}

TEST(Timing, WarmUpIsNotCounted) {
  // The first call is 100 times slower, as first calls are: it fills the 10 ms of warm-up alone.
  FakeTime time;
  std::vector<double> durations(1000, 1e-3);
  durations[0] = 100e-3;
  const Timing timing = time_calls(time.call(durations), kRule, time.clock());
  EXPECT_NEAR(timing.median.value, 1e-3, 1e-12);
  EXPECT_EQ(time.calls, 1 + 5);
}

TEST(Timing, OneOutlierDoesNotMoveTheMedian) {
  FakeTime time;
  const Timing timing = time_calls(time.call({1e-3, 1e-3, 1e-3, 1e-3, 1e-3, 1e-3, 50e-3}), kRule, time.clock());
  EXPECT_NEAR(timing.median.value, 1e-3, 1e-12);
  EXPECT_FALSE(timing.noisy);
}

TEST(Timing, NoiseIsReportedAndNeedsMoreSamples) {
  // Calls take 1 to 2 ms: half lie more than 0.2 ms from the median of 1.5 ms, which is far above 10%.
  FakeTime time;
  const Timing timing = time_calls(time.call({1e-3, 2e-3, 1.2e-3, 1.8e-3, 1.4e-3, 1.6e-3}), kRule, time.clock());
  EXPECT_TRUE(timing.noisy);
  EXPECT_GT(timing.samples, 5);
  EXPECT_GT(timing.spread, 0.1);
}

TEST(Timing, TheBudgetEndsWhatDoesNotConverge) {
  FakeTime time;
  const TimingRule rule{.warm_up{10e-3}, .budget{100e-3}, .fewest_samples = 5};
  const Timing timing = time_calls(time.call({1e-3, 3e-3}), rule, time.clock());
  EXPECT_FALSE(timing.converged);
  EXPECT_TRUE(timing.noisy);
  EXPECT_LE(time.now.value, 100e-3 + 3e-3);  // one sample may run over
  EXPECT_GT(time.now.value, 90e-3);
}

TEST(Timing, SlowCallsStillGiveThreeSamples) {
  FakeTime time;
  const Timing timing = time_calls(time.call({2.0}), kRule, time.clock());
  EXPECT_EQ(timing.samples, 3);
  EXPECT_FALSE(timing.converged);
  EXPECT_EQ(timing.median.value, 2.0);
}

TEST(Timing, ShortCallsAreRepeatedWithinASample) {
  // 1 us against a shortest sample of 50 us.
  FakeTime time;
  const Timing timing = time_calls(time.call({1e-6}), kRule, time.clock());
  EXPECT_NEAR(timing.calls_per_sample, 50, 1);
  EXPECT_NEAR(timing.median.value, 1e-6, 1e-12);
}

TEST(Timing, PreparationIsNotTimedAndComesBeforeEveryCall) {
  FakeTime time;
  int prepared = 0;
  const Timing timing =
      time_calls(time.call({1e-6}), {.caches = Caches::cold, .warm_up{2}}, time.clock(), nullptr, [&] {
        ++prepared;
        time.now += Seconds{10e-3};
      });
  EXPECT_NEAR(timing.median.value, 1e-6, 1e-9);
  EXPECT_EQ(timing.calls_per_sample, 1);
  EXPECT_EQ(prepared, time.calls);
  EXPECT_EQ(timing.caches, Caches::cold);
}

TEST(Timing, AFlagStopsIt) {
  FakeTime time;
  std::atomic<bool> stop = false;
  const auto work = time.call({1e-3, 2e-3});
  const auto call = [&] {
    work();
    stop = time.calls >= 30;
  };
  const Timing timing = time_calls(call, {.warm_up{10e-3}, .budget{100}}, time.clock(), &stop);
  EXPECT_EQ(time.calls, 30);
  EXPECT_GT(timing.samples, 0);

  FakeTime untouched;
  EXPECT_EQ(time_calls(untouched.call({1e-3}), kRule, untouched.clock(), &stop).samples, 0);
  EXPECT_EQ(untouched.calls, 0);
}

TEST(Noise, ASteadyMachineIsQuietAndAnInterruptedOneIsNot) {
  // The work itself takes no made-up time: the clock is asked before and after each of the 250 runs.
  for (const bool interrupted : {false, true}) {
    int asked = 0;
    double now = 0;
    const Clock clock = [&] {
      now += interrupted && asked % 10 == 1 ? 3e-4 : 2e-4;  // every fifth run takes half as long again
      ++asked;
      return Seconds{now};
    };
    const MachineNoise noise = measure_noise(clock);
    EXPECT_EQ(asked, 500);
    EXPECT_EQ(noise.noisy, interrupted);
    EXPECT_NEAR(noise.spread, interrupted ? 0.5 : 0, 1e-6);
  }
}

TEST(Noise, AFewLongInterruptionsAreSeen) {
  // 2 of 250 runs of 0.2 ms take 20 ms more: no percentile shows it, but the mean is 0.16 ms longer than the median.
  int asked = 0;
  double now = 0;
  const Clock clock = [&] {
    now += asked % 250 == 1 ? 20.2e-3 : 0.2e-3;
    ++asked;
    return Seconds{now};
  };
  const MachineNoise noise = measure_noise(clock);
  EXPECT_TRUE(noise.noisy);
  EXPECT_NEAR(noise.spread, 2 * 20e-3 / 250 / 0.2e-3, 1e-6);
}

TEST(Background, TellsTheMeanTimeOfACall) {
  double now = 0;
  std::atomic<int> calls = 0;
  Background background(
      [&] {
        now += 0.25;
        ++calls;
      },
      [&] { return Seconds{now}; });
  while (calls < 3) {
    std::this_thread::yield();
  }
  EXPECT_EQ(background.stop().value, 0.25);
  const int ended = calls;
  EXPECT_EQ(background.stop().value, 0.25);  // again: it has ended, nothing changes
  EXPECT_EQ(calls, ended);
}

}  // namespace
}  // namespace moesaic
