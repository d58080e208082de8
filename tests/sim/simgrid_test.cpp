// Agreement with SimGrid, which has its own solver and its own event loop; and what is said when it cannot help.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "sim/simgrid/flow_exchange.hpp"
#include "sim/simgrid_flows.hpp"
#include "tests/sim/flow_networks.hpp"
#include "tests/temporary_file.hpp"
#include "tests/user_error.hpp"

namespace moesaic {
namespace {

namespace fs = std::filesystem;

// Both are exact up to rounding, and SimGrid rounds sizes to whole bytes of a billionth of the smallest flow.
constexpr double kAgreement = 1e-8;

#define SKIP_WITHOUT_SIMGRID()                           \
  if (!find_simgrid()) {                                 \
    GTEST_SKIP() << "moesaic was built without SimGrid"; \
  }

/// Every end, not only the last.
void expect_agreement(const FlowProblem& problem, const std::string& name) {
  const FlowTimes ours = run_flows(problem);
  const FlowTimes theirs = run_flows_in_simgrid(problem);
  ASSERT_EQ(ours.end.size(), theirs.end.size());
  for (std::size_t flow = 0; flow < ours.end.size(); ++flow) {
    ASSERT_NEAR(ours.end[flow], theirs.end[flow], kAgreement * ours.end[flow]) << name << ", flow " << flow;
  }
  EXPECT_NEAR(ours.total.value, theirs.total.value, kAgreement * ours.total.value) << name;
}

class SimGridAgrees : public testing::TestWithParam<FlowNetwork> {
 protected:
  void expect(const Pattern& pattern) { expect_agreement(problem_of(GetParam(), pattern), GetParam().name); }
  std::uint32_t ranks() const { return GetParam().ranks; }
};

#define SIMGRID_AGREES(name, ...) \
  TEST_P(SimGridAgrees, name) {   \
    SKIP_WITHOUT_SIMGRID();       \
    expect(__VA_ARGS__);          \
  }

SIMGRID_AGREES(OnAllToAll, all_to_all(ranks(), kMegabyte))
SIMGRID_AGREES(OnPermutations, permutation(ranks(), kMegabyte, 3))
SIMGRID_AGREES(OnARingShift, ring_shift(ranks(), 5, kMegabyte))
SIMGRID_AGREES(OnARingExchange, ring_exchange(ranks(), kMegabyte))
SIMGRID_AGREES(OnIncast, incast(ranks(), 3, kMegabyte))
SIMGRID_AGREES(OnAHotExpert, hot_expert(ranks(), 2, kMegabyte))
SIMGRID_AGREES(OnHierarchicalPhases, hierarchical(ranks(), 8, 1e5, 1e-4))
SIMGRID_AGREES(OnStaggeredStarts, staggered(ranks(), kMegabyte, 1e-5))
SIMGRID_AGREES(OnRandomSizes, random_sizes(std::min(ranks(), 36U), kMegabyte, 1))

std::vector<FlowNetwork> networks() {
  std::vector<FlowNetwork> all{
      star_network(32, kRate),         leaf_spine_network(4, 16, 8, kRate),     leaf_spine_network(4, 16, 16, kRate),
      torus_network({4, 4, 4}, kRate), multi_plane_network(8, 8, 160e9, kRate), dragonfly_network(4, 2, 2, kRate)};
  all[1].name = "taper";
  return all;
}

std::string name_of(const testing::TestParamInfo<FlowNetwork>& network) {
  std::string name = network.param.name;
  name.erase(std::remove(name.begin(), name.end(), '-'), name.end());
  return name;
}

INSTANTIATE_TEST_SUITE_P(, SimGridAgrees, testing::ValuesIn(networks()), name_of);

TEST(SimGrid, AgreesOnAllToAllOf128Ranks) {
  SKIP_WITHOUT_SIMGRID();
  for (const FlowNetwork& network : {leaf_spine_network(8, 16, 8, kRate), multi_plane_network(16, 8, 160e9, kRate)}) {
    expect_agreement(problem_of(network, all_to_all(128, kMegabyte)), network.name);
  }
}

// Half of each sprayed flow is a whole flow on twice the channel; latencies come before the first byte.
TEST(SimGrid, TakesEqualSharesMultiplicitiesAndLatencies) {
  SKIP_WITHOUT_SIMGRID();
  FlowProblem problem = problem_of(star_network(4, kRate), all_to_all(4, kMegabyte));
  for (Routes::Hop& hop : problem.hops) {
    hop.share = hop.channel % 2 == 0 ? 0.5F : 1;
  }
  problem.multiplicity.assign(problem.flows(), 1);
  problem.multiplicity[2] = 3;
  problem.latency.assign(problem.flows(), 5e-6);
  problem.latency[5] = 0;
  problem.bytes[7] = 0;
  problem.capacity.push_back(std::numeric_limits<double>::infinity());
  problem.hops[0].channel = static_cast<std::uint32_t>(problem.capacity.size() - 1);
  expect_agreement(problem, "sprayed star");
  EXPECT_EQ(run_flows_in_simgrid(problem).end[7], 5e-6);
}

TEST(SimGrid, TakesNoFlows) {
  SKIP_WITHOUT_SIMGRID();
  FlowProblem problem;
  problem.first = {0};
  EXPECT_EQ(run_flows_in_simgrid(problem).total.value, 0);
}

TEST(SimGrid, RefusesWhatItCannotExpress) {
  FlowProblem problem = problem_of(star_network(3, kRate), incast(3, 0, kMegabyte));
  problem.multiplicity = {1, 2.5};
  EXPECT_EQ(user_error([&] { return run_flows_in_simgrid(problem); }),
            "SimGrid takes whole flows: flow 1 stands for 2.5 of them");
  problem.multiplicity = {1, 1e7};
  EXPECT_EQ(user_error([&] { return run_flows_in_simgrid(problem); }),
            "SimGrid would take hours for more than 100000 flows");
  problem.multiplicity.clear();
  problem.hops[1].share = 0.5;
  EXPECT_EQ(user_error([&] { return run_flows_in_simgrid(problem); }),
            "SimGrid takes flows whole: channel 1 carries 1 of flow 1, and 0.5 of another; split flows into paths, or "
            "route each over one");
  problem.hops[1].share = 1;
  problem.capacity[1] = 0;
  EXPECT_EQ(user_error([&] { return run_flows_in_simgrid(problem); }),
            "flow 0 has to cross channel 1, which has no bandwidth");
}

TEST(SimGrid, SaysHowToGetIt) {
  if (find_simgrid()) {
    GTEST_SKIP() << "moesaic was built with SimGrid";
  }
  const std::string message =
      user_error([] { return run_flows_in_simgrid(problem_of(star_network(2, kRate), all_to_all(2, kMegabyte))); });
  EXPECT_TRUE(message.starts_with("this build has no SimGrid: ")) << message;
  EXPECT_NE(message.find("libsimgrid-dev"), std::string::npos) << message;
}

/// Tests may run at the same time in several processes.
fs::path strange_program() { return temporary_file("simgrid"); }

/// Another program in place of moesaic-simgrid.
class Stranger {
 public:
  explicit Stranger(const std::string& script) : file_(strange_program()) {
    std::ofstream(file_) << "#!/bin/sh\n" << script;
    fs::permissions(file_, fs::perms::owner_all);
    setenv("MOESAIC_SIMGRID", file_.c_str(), 1);
  }
  ~Stranger() {
    unsetenv("MOESAIC_SIMGRID");
    fs::remove(file_);
  }
  Stranger(const Stranger&) = delete;
  Stranger& operator=(const Stranger&) = delete;

  /// Its name replaced by "PROGRAM".
  std::string message(std::uint32_t ranks = 2) const {
    const FlowProblem problem = problem_of(star_network(ranks, kRate), all_to_all(ranks, kMegabyte));
    std::string text = user_error([&] { return run_flows_in_simgrid(problem); });
    if (const std::size_t at = text.find(file_.string()); at != text.npos) {
      text.replace(at, file_.string().size(), "PROGRAM");
    }
    return text;
  }

 private:
  fs::path file_;
};

TEST(SimGrid, ACrashIsOneClearLine) {
  EXPECT_EQ(Stranger("echo first >&2; echo 'the \x01last' >&2; kill -SEGV $$").message(),
            "SimGrid failed: PROGRAM: was ended by signal 11 (Segmentation fault): the \\x01last");
  EXPECT_EQ(Stranger("cat > /dev/null; exit 3").message(), "SimGrid failed: PROGRAM: failed with exit code 3");
}

// More than a socket holds: neither side may wait for the other, and a child that has gone is no SIGPIPE.
TEST(SimGrid, AChildThatReadsNothingIsNotWaitedFor) {
  EXPECT_EQ(Stranger("exec <&- >&-; exit 4").message(256), "SimGrid failed: PROGRAM: failed with exit code 4");
}

TEST(SimGrid, AnAnswerOfAnotherKindIsRefused) {
  EXPECT_EQ(Stranger("cat > /dev/null; echo hello").message(),
            "SimGrid failed: not 'moesaic ends 1': begins with 'hello\\n'");
  EXPECT_EQ(Stranger("cat > /dev/null; echo moesaic ends 1").message(),
            "SimGrid failed: 'moesaic ends 1' ends too early");
  EXPECT_EQ(Stranger("cat > /dev/null; head -c 1 /dev/zero; echo moesaic ends 1; head -c 64 /dev/zero").message(),
            "SimGrid failed: not 'moesaic ends 1': begins with '\\x00moesaic ends 1'");
  EXPECT_EQ(Stranger("cat > /dev/null; echo moesaic ends 1; head -c 64 /dev/zero").message(),
            "SimGrid failed: 'moesaic ends 1' has another number of flows");
}

TEST(SimGrid, AProgramThatCannotRunIsNamed) {
  setenv("MOESAIC_SIMGRID", "/nonexistent/program", 1);
  EXPECT_EQ(
      user_error([] { return run_flows_in_simgrid(problem_of(star_network(2, kRate), all_to_all(2, kMegabyte))); }),
      "MOESAIC_SIMGRID is '/nonexistent/program', which is not a file");
  const fs::path file = strange_program();
  std::ofstream(file) << "text";
  setenv("MOESAIC_SIMGRID", file.c_str(), 1);
  EXPECT_EQ(
      user_error([] { return run_flows_in_simgrid(problem_of(star_network(2, kRate), all_to_all(2, kMegabyte))); }),
      "SimGrid failed: " + file.string() + ": cannot be started: Permission denied");
  unsetenv("MOESAIC_SIMGRID");
  fs::remove(file);
}

TEST(FlowExchange, ReadsWhatItWrote) {
  const WholeFlows flows{{1e9, 2.5}, {0, 2, 3}, {1, 0, 1}, {3, 4}, {0, 0.125}};
  const WholeFlows back = read_flows(write_flows(flows));
  EXPECT_EQ(back.capacity, flows.capacity);
  EXPECT_EQ(back.first, flows.first);
  EXPECT_EQ(back.channel, flows.channel);
  EXPECT_EQ(back.bytes, flows.bytes);
  EXPECT_EQ(back.release, flows.release);
  EXPECT_EQ(read_ends(write_ends({1, 2.5}), 2), (std::vector<double>{1, 2.5}));
}

TEST(FlowExchange, RefusesWhatIsNotRight) {
  const WholeFlows right{{1e9, 2.5}, {0, 2, 3}, {1, 0, 1}, {3, 4}, {0, 0.125}};
  const std::string text = write_flows(right);
  for (std::size_t length = 0; length < text.size(); ++length) {
    EXPECT_THROW(read_flows(std::string_view(text).substr(0, length)), UserError) << length;
  }
  EXPECT_EQ(user_error([&] { return read_flows(text + "x"); }), "'moesaic flows 1' has more than it says");
  const auto refused = [&](auto spoil) {
    WholeFlows flows = right;
    spoil(flows);
    return user_error([&] { return read_flows(write_flows(flows)); });
  };
  EXPECT_EQ(refused([](WholeFlows& flows) { flows.capacity[1] = 0; }),
            "'moesaic flows 1' has a channel without a finite bandwidth");
  EXPECT_EQ(refused([](WholeFlows& flows) { flows.bytes[0] = std::numeric_limits<double>::quiet_NaN(); }),
            "'moesaic flows 1' has a flow without a finite number of bytes");
  EXPECT_EQ(refused([](WholeFlows& flows) { flows.release[0] = -0.5; }),
            "'moesaic flows 1' has a flow without a finite start");
  EXPECT_EQ(refused([](WholeFlows& flows) { flows.first[2] = 2; }), "'moesaic flows 1' has rows that do not add up");
  EXPECT_EQ(refused([](WholeFlows& flows) { flows.first[1] = 0; }), "'moesaic flows 1' has a flow without channels");
  EXPECT_EQ(refused([](WholeFlows& flows) { flows.channel[2] = 2; }),
            "'moesaic flows 1' has a channel that does not exist");
}

}  // namespace
}  // namespace moesaic
