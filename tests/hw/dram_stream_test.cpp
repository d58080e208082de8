// Streams command by command: every command keeps its distance from all before it, all data moves, and the closed form
// agrees.
#include "hw/dram/stream.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>

#include "hw/dram/closed_form.hpp"

namespace moesaic {
namespace {

using Name = SentCommand::Name;

bool moves(const SentCommand& command) { return command.name == Name::read || command.name == Name::write; }

/// The least distance that a pair of commands must keep, by the rules of JESD238 and of the path, one pair at a time.
std::int64_t distance(const Dram& dram, const AccessPath& path, const SentCommand& a, const SentCommand& b) {
  const DramTiming& t = dram.timing;
  const bool single = path.banks == 1, same_rank = a.rank == b.rank;
  const bool same_bundle = same_rank && (a.bundle < 0 || b.bundle < 0 || a.bundle == b.bundle);
  const bool same_group = same_rank && (!single || a.bundle % dram.bank_groups == b.bundle % dram.bank_groups);
  const std::int64_t written = t.nCWL + t.nBL;
  std::int64_t least = 0;
  const auto need = [&](bool rule, std::int64_t cycles) { least = rule ? std::max(least, cycles) : least; };
  if (moves(a) && moves(b)) {
    need(true, path.spacing);
    need(single && same_group, t.nCCDL);
    need(!single && same_rank, path.rank_spacing);
    need(a.name == Name::write && b.name == Name::read, written + (same_group ? t.nWTRL : t.nWTRS));
    need(a.name == Name::read && b.name == Name::write, t.nCL + t.nBL + t.nRTW - t.nCWL);
  }
  if (a.name == Name::activate && b.name == Name::activate) {
    need(same_bundle, t.nRC);
    need(single, same_group ? t.nRRDL : t.nRRDS);
  }
  need(same_bundle && a.name == Name::activate && moves(b), t.nRCD);
  need(same_bundle && a.name == Name::activate && b.name == Name::precharge, t.nRAS);
  need(same_bundle && a.name == Name::activate && b.name == Name::refresh, t.nRC);
  need(same_bundle && a.name == Name::read && b.name == Name::precharge, t.nRTP);
  need(same_bundle && a.name == Name::write && b.name == Name::precharge, written + t.nWR);
  need(same_bundle && a.name == Name::precharge && (b.name == Name::activate || b.name == Name::refresh), t.nRP);
  need(same_rank && a.name == Name::refresh && b.name == Name::activate, t.nRFC);
  return least;
}

/// In order of time; of one cycle in the order sent.
std::vector<SentCommand> in_time(std::vector<SentCommand> sent) {
  std::stable_sort(sent.begin(), sent.end(), [](const auto& a, const auto& b) { return a.at < b.at; });
  return sent;
}

/// How much room the closest pairs have to spare, over all pairs; negative: a rule is broken.
std::int64_t least_slack(const Dram& dram, const AccessPath& path, const std::vector<SentCommand>& sent) {
  std::int64_t slack = 1 << 20;
  const std::int64_t longest = dram.timing.nRFC + dram.timing.nRC;
  for (std::size_t later = 0; later < sent.size(); ++later) {
    for (std::size_t earlier = later; earlier-- > 0 && sent[later].at - sent[earlier].at <= longest;) {
      const std::int64_t rule = distance(dram, path, sent[earlier], sent[later]);
      slack = rule > 0 ? std::min(slack, sent[later].at - sent[earlier].at - rule) : slack;
    }
  }
  return slack;
}

void check_rows(const Dram& dram, const AccessPath& path, const std::vector<SentCommand>& sent) {
  std::vector<std::int64_t> open(static_cast<std::size_t>(bundles(path, dram)), -1);
  std::vector<std::int64_t> activates;
  std::vector<int> rank_of(open.size(), -1);
  for (const SentCommand& command : sent) {
    if (command.bundle < 0) {
      for (std::size_t bundle = 0; bundle < open.size(); ++bundle) {
        RC_ASSERT(command.name == Name::precharge || rank_of[bundle] != command.rank || open[bundle] < 0);
        open[bundle] = rank_of[bundle] == command.rank ? -1 : open[bundle];
      }
      continue;
    }
    std::int64_t& row = open[static_cast<std::size_t>(command.bundle)];
    rank_of[static_cast<std::size_t>(command.bundle)] = command.rank;
    RC_ASSERT((command.name == Name::activate) == (row < 0));
    RC_ASSERT(!moves(command) || row == command.row);
    row = command.name == Name::activate ? command.row : command.name == Name::precharge ? -1 : row;
    if (command.name == Name::activate) {
      activates.push_back(command.at);
      const std::size_t n = activates.size();
      // In brackets: else RapidCheck evaluates all parts.
      RC_ASSERT((path.banks > 1 || n < 5 || activates[n - 1] - activates[n - 5] >= dram.timing.nFAW));
    }
  }
}

Dram draw_memory() {
  Dram dram = *load_dram(*rc::gen::element<std::string>("hbm3-5200", "hbm3e-8000"));
  DramTiming& t = dram.timing;
  const auto vary = [](std::int64_t& cycles, std::int64_t least, std::int64_t most) {
    cycles = *rc::gen::inRange(least, most + 1);
  };
  vary(t.nRCD, 5, 40);
  vary(t.nRP, 5, 40);
  vary(t.nRAS, 20, 150);
  vary(t.nRC, t.nRAS + t.nRP, t.nRAS + t.nRP + 20);
  vary(t.nFAW, 0, 80);
  vary(t.nRTP, 2, 20);
  vary(t.nWR, 5, 40);
  vary(t.nWTRL, t.nWTRS, 20);
  vary(t.nREFI, 2500, 8000);
  dram.queue = *rc::gen::inRange(1, 65);
  dram.ranks = *rc::gen::inRange(1, 4);
  return dram;
}

AccessPath draw_path(const Dram& dram) {
  AccessPath path = access_path(*rc::gen::elementOf(access_path_names()), dram);
  const int most = bundles(path, dram);
  if (*rc::gen::arbitrary<bool>()) {
    path.interleave = *rc::gen::inRange(1, most + 1);
    path.turns = *rc::gen::inRange(1, most / path.interleave + 1);
  }
  return *rc::gen::arbitrary<bool>() ? with_power_limit(path, dram, *rc::gen::inRange(4, 9)) : path;
}

StreamKind draw_kind() { return *rc::gen::element(StreamKind::read, StreamKind::write, StreamKind::update); }

Bytes draw_bytes(const Dram& dram) { return Bytes{1.0 * dram.channels() * *rc::gen::inRange(1, 200000)}; }

RC_GTEST_PROP(DramStream, CommandsKeepTheirDistance, ()) {
  const Dram dram = draw_memory();
  const AccessPath path = draw_path(dram);
  std::vector<SentCommand> sent;
  simulate_stream(dram, path, draw_bytes(dram), draw_kind(), &sent);
  sent = in_time(sent);
  const std::int64_t slack = least_slack(dram, path, sent);
  RC_ASSERT(slack >= 0);
  RC_ASSERT(sent.size() < 3 || slack == 0);  // nothing waits without a reason
  check_rows(dram, path, sent);
}

RC_GTEST_PROP(DramStream, MovesAllDataNeverFasterThanNominal, ()) {
  const Dram dram = draw_memory();
  const AccessPath path = draw_path(dram);
  const StreamKind kind = draw_kind();
  const Bytes bytes = draw_bytes(dram);
  const StreamResult result = simulate_stream(dram, path, bytes, kind);
  const double of_each = static_cast<double>(dram.access) * path.banks * dram.channels();
  RC_ASSERT(static_cast<double>(result.commands.read) * of_each >= (kind == StreamKind::write ? 0 : bytes.value));
  RC_ASSERT(static_cast<double>(result.commands.write) * of_each >= (kind == StreamKind::read ? 0 : bytes.value));
  RC_ASSERT((result.commands.read == 0) == (kind == StreamKind::write));
  RC_ASSERT(result.bandwidth() < nominal(dram, path));
  RC_ASSERT(result.commands.activate - result.commands.precharge <= bundles(path, dram));
  // Energy is the sum over components, and never below that of the bytes.
  RC_ASSERT(result.total_energy().value >= (result.moved * column_energy(dram, path)).value * (1 - 1e-12));
}

// One access: its row is opened, its column read, its data arrive.
TEST(DramStream, OneAccess) {
  const auto dram = load_dram("hbm3-5200");
  for (const std::string& name : access_path_names()) {
    const StreamResult result = simulate_stream(*dram, access_path(name, *dram), Bytes{1});
    EXPECT_GT(result.time / dram->clock_period, 19 + 19 + 2 - 1e-9) << name;
    EXPECT_EQ(result.commands.refresh, 0) << name;
  }
  const StreamResult one = simulate_stream(*dram, access_path("logic-pim", *dram), Bytes{1});
  EXPECT_NEAR(one.time / dram->clock_period, 19 + 19 + 2, 1e-9);
  EXPECT_EQ(one.commands.activate, 1);
}

// Logic-PIM reads row after row of one bundle: 31 distances of 4 cycles, then 8 + 19 + 19 to the next row's first read.
// Between refreshes a row takes 170 cycles; 20 rows fit in half an interval of 5,070.
TEST(DramStream, RowsOfOneBundle) {
  const auto dram = load_dram("hbm3-5200");
  const double row = 160 * 8 * 1024;
  const AccessPath path = access_path("logic-pim", *dram);
  const auto cycles = [&](double rows) {
    return simulate_stream(*dram, path, Bytes{rows * row}).time / dram->clock_period;
  };
  EXPECT_NEAR(cycles(14) - cycles(4), 10 * 170, 1e-6);
}

// The next rows are opened in other bundles while one is read: nothing is lost but refreshes.
TEST(DramStream, BundlesInTurnHideRowOpenings) {
  const auto dram = load_dram("hbm3-5200");
  AccessPath path = access_path("logic-pim", *dram);
  const double in_one = attained_share(*dram, path);
  path.turns = 4;
  const double in_turn = attained_share(*dram, path);
  EXPECT_GT(in_turn, in_one * 1.3);
  const double refresh = 585.0 / 5070;
  EXPECT_LT(in_turn, 1 - refresh);
  EXPECT_GT(in_turn, 1 - refresh - 0.015);
}

// Single banks behind one bank group's wires are read every nCCDL, half as often.
TEST(DramStream, OneBankGroupHasHalfTheRate) {
  const auto dram = load_dram("hbm3-5200");
  AccessPath path = access_path("external", *dram);
  path.interleave = 1;
  EXPECT_NEAR(nominal(*dram, path) / dram->peak(), 0.5, 1e-12);
  EXPECT_LT(simulate_stream(*dram, path, Bytes{1e8}).bandwidth(), dram->peak() * 0.5);
}

double long_share(const Dram& dram, const AccessPath& path, StreamKind kind) {
  const Bytes bytes = nominal(dram, path) * Seconds{2e-4};
  return simulate_stream(dram, path, bytes, kind).bandwidth() / nominal(dram, path);
}

// Fifty refreshes. Striped over all banks, refreshes fall in step with the stripes, which the closed form's mean
// does not know.
TEST(DramStream, ClosedFormOfLongStreams) {
  for (const char* memory : {"hbm3-5200", "hbm3e-8000"}) {
    const auto dram = load_dram(memory);
    for (const std::string& name : access_path_names()) {
      for (const std::int64_t limit : {4, 6}) {
        const AccessPath path = with_power_limit(access_path(name, *dram), *dram, limit);
        for (const StreamKind kind : {StreamKind::read, StreamKind::write}) {
          const double tolerance = name == "external" ? 0.04 : 0.012;
          const double share = stream_form(*dram, path, kind).share;
          EXPECT_NEAR(long_share(*dram, path, kind), share, share * tolerance) << memory << " " << name << " " << limit;
        }
      }
    }
  }
}

// Of any length: within one refresh and one opening of all rows, and as close as long streams are.
TEST(DramStream, ClosedFormOfAnyLength) {
  for (const char* memory : {"hbm3-5200", "hbm3e-8000"}) {
    const auto dram = load_dram(memory);
    for (const std::string& name : access_path_names()) {
      const AccessPath path = access_path(name, *dram);
      const StreamForm form = stream_form(*dram, path);
      const Seconds most = dram->clock_period * (form.refresh + form.opening);
      for (double size = 1e3; size < 1e9; size *= 2.3) {
        const Seconds simulated = simulate_stream(*dram, path, Bytes{size}).time;
        const Seconds formula = closed_form_time(*dram, path, Bytes{size});
        EXPECT_NEAR(simulated.value, formula.value, most.value + 0.04 * formula.value) << memory << name << size;
      }
    }
  }
}

RC_GTEST_PROP(DramStream, ClosedFormIsMonotone, ()) {
  const Dram dram = draw_memory();
  const AccessPath path = access_path(*rc::gen::elementOf(access_path_names()), dram);
  Dram slower = dram;
  const auto member =
      *rc::gen::element(&DramTiming::nRP, &DramTiming::nRCD, &DramTiming::nRTP, &DramTiming::nFAW, &DramTiming::nRFC);
  slower.timing.*member += *rc::gen::inRange(1, 10);
  const Bytes bytes = draw_bytes(dram);
  RC_ASSERT(closed_form_time(slower, path, bytes) >= closed_form_time(dram, path, bytes));
  RC_ASSERT(closed_form_time(dram, path, bytes * 2) >= closed_form_time(dram, path, bytes));
}

}  // namespace
}  // namespace moesaic
