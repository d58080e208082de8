// Errors, ownership and timing on a GPU that is not there.
#include "kernels/cuda/device.hpp"

#include <gtest/gtest.h>

#include "tests/kernels/cuda/stub_runtime.hpp"

namespace moesaic::cuda {
namespace {

constexpr GemvWork kWork{.dtype = DType::bf16, .m = 1, .n = 4096, .k = 4096};

Patience patience(StubRuntime& stub) { return {{.warm_up{1e-3}, .budget{100e-3}}, stub.clock(), nullptr}; }

TEST(Device, AnErrorSaysWhatWasDoneAndWhatItMeans) {
  try {
    check({2, "out of memory"}, "allocating memory");
    FAIL();
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "allocating memory: out of memory (CUDA error 2)");
    EXPECT_EQ(error.reason(), "out of memory (CUDA error 2)");
    EXPECT_EQ(error.failure(), Failure::out_of_memory);
  }
  EXPECT_NO_THROW(check({}, "nothing"));
  EXPECT_EQ(failure_of(209), Failure::no_device) << "no kernel of ours runs: nothing else need be tried";
  EXPECT_EQ(failure_of(700), Failure::device_lost);
  EXPECT_EQ(failure_of(719), Failure::device_lost);
  EXPECT_EQ(failure_of(100), Failure::no_device);
  EXPECT_EQ(failure_of(35), Failure::no_device);
  EXPECT_EQ(failure_of(801), Failure::unsupported);
  EXPECT_EQ(failure_of(701), Failure::launch_failed);
}

TEST(Device, WhatIsOwnedIsReleasedOnce) {
  StubRuntime stub;
  {
    Owned buffer = allocate(stub, {1024});
    Owned other = std::move(buffer);
    EXPECT_EQ(buffer.get(), nullptr);  // NOLINT(bugprone-use-after-move): that it is empty is what is tested
    other = allocate(stub, {2048});
    EXPECT_EQ(stub.alive(), 1U);
    const Owned stream = create_stream(stub), event = create_event(stub);
    EXPECT_EQ(stub.alive(), 3U);
  }
  EXPECT_EQ(stub.alive(), 0U);
  EXPECT_EQ(stub.calls_of["free"], 2U);
}

TEST(Device, AGraphThatCannotBeDrawnLeavesNothing) {
  StubRuntime stub;
  const Owned stream = create_stream(stub);
  const std::vector<StreamHandle> streams{stream.get()};
  EXPECT_THROW(capture(stub, streams, [] { throw Error(Failure::launch_failed, "drawing", "no"); }), Error);
  EXPECT_EQ(stub.alive(), 1U);
  EXPECT_EQ(stub.calls_of["end_capture"], 1U);
  check(stub.launch(kWork, stream.get()), "the stream does not capture any more");
}

TEST(Device, ShortKernelsAreReplayedWithoutTheHostsTime) {
  // 33.6 MB at 2 TB/s and 1.5 us: 18.3 us. One launch costs the host 50 us, which a graph hides.
  StubRuntime stub;
  stub.roofs.host_call = {50e-6};
  const Owned stream = create_stream(stub);
  const Chain chain = {kWork};
  const Timing timing = time_chains(stub, stream.get(), {&chain, 1}, patience(stub));
  EXPECT_NEAR(timing.median.value, stub.time_of(kWork).value, 1e-3 * timing.median.value);
  EXPECT_GT(stub.calls_of["launch_graph"], 0U);
  EXPECT_GE(timing.samples, 5);
}

TEST(Device, LongKernelsAreLaunched) {
  StubRuntime stub;
  const Owned stream = create_stream(stub);
  const Chain chain = {GemmWork{.m = 8192, .n = 8192, .k = 8192}};
  const Timing timing = time_chains(stub, stream.get(), {&chain, 1}, patience(stub));
  EXPECT_NEAR(timing.median.value, stub.time_of(chain[0]).value, 1e-3 * timing.median.value);
  EXPECT_EQ(stub.calls_of["begin_capture"], 0U);
}

TEST(Device, ChainsTakeTurnsAndAGraphHoldsAllOfThem) {
  StubRuntime stub;
  const Owned stream = create_stream(stub);
  std::vector<int> used(3);
  const auto enqueue = [&](int i) {
    ++used[static_cast<std::size_t>(i)];
    check(stub.launch(kWork, stream.get()), "launching");
  };
  time_on_stream(stub, stream.get(), {enqueue, 3, true}, patience(stub));
  // Two calls before the graph are those of the first two turns; in the graph all are called equally often.
  EXPECT_EQ(used[0] - 1, used[2]);
  EXPECT_EQ(used[1] - 1, used[2]);
  EXPECT_GT(used[2], 0);
}

TEST(Device, ATimeThatIsNoneIsAnError) {
  for (const double seconds : {-1e-6, std::numeric_limits<double>::quiet_NaN(), HUGE_VAL}) {
    StubRuntime stub;
    stub.event_time = [&](Seconds) { return Seconds{seconds}; };
    {
      const Owned stream = create_stream(stub);
      const Chain chain = {kWork};
      EXPECT_THROW(time_chains(stub, stream.get(), {&chain, 1}, patience(stub)), Error) << seconds;
    }
    EXPECT_EQ(stub.alive(), 0U);
  }
}

TEST(Device, AFlagStopsTiming) {
  StubRuntime stub;
  const Owned stream = create_stream(stub);
  const std::atomic<bool> stop = true;
  Patience impatient = patience(stub);
  impatient.stop = &stop;
  const Chain chain = {kWork};
  EXPECT_EQ(time_chains(stub, stream.get(), {&chain, 1}, impatient).samples, 0);
  EXPECT_EQ(stub.launches, 0U);
}

TEST(Device, ALaunchThatFailsNamesItsWork) {
  StubRuntime stub;
  stub.fail = [](std::uint64_t, const char* name) {
    return std::string(name) == "launch" ? Status{701, "too many resources"} : Status{};
  };
  const Owned stream = create_stream(stub);
  const Chain chain = {kWork};
  try {
    time_chains(stub, stream.get(), {&chain, 1}, patience(stub));
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("n=4096 k=4096"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace moesaic::cuda
