#include "hw/dram/access_path.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "base/error.hpp"
#include "base/nearest.hpp"
#include "hw/dram/stream.hpp"

namespace moesaic {
namespace {

using enum DramStep;

/// A processor behind the interposer. It spreads its addresses over all banks, as caches in front of memory need it.
AccessPath external_path(const Dram& dram) {
  const std::int64_t spacing = dram.timing.nCCDS;
  return {"external", 1, spacing, spacing, dram.ranks * dram.banks(), 1, {cell, column, global, tsv, interposer}};
}

/// A unit on the buffer die behind the usual TSVs. It reads its own data in order, one bank of every bank group at a
/// time.
AccessPath buffer_path(const Dram& dram) {
  const std::int64_t spacing = dram.timing.nCCDS;
  return {
      "buffer", 1, spacing, spacing, dram.bank_groups, dram.ranks * dram.banks_per_group, {cell, column, global, tsv}};
}

/// A unit on the logic die behind added TSVs (Duplex, arXiv:2409.01141, section IV-C): two banks of every bank group at
/// once. What it reads lies in one bundle, the memory space.
AccessPath logic_pim_path(const Dram& dram) {
  const std::int64_t spacing = dram.timing.nCCDL;
  const int banks = dram.bank_groups * std::min(2, dram.banks_per_group);
  return {"logic-pim", banks, spacing, spacing, 1, 1, {cell, power_tsv_wire, tsv}};
}

/// A unit at every bank group, on the DRAM die: one bank of each at a time, ranks in turn.
AccessPath bank_group_path(const Dram& dram) {
  return {"bank-group", dram.bank_groups,     dram.timing.nCCDS,     dram.timing.nCCDL,
          dram.ranks,   dram.banks_per_group, {cell, column, global}};
}

/// A unit at every bank, all of a rank at once, ranks in turn.
AccessPath bank_path(const Dram& dram) {
  return {"bank", dram.banks(), dram.timing.nCCDS, dram.timing.nCCDL, dram.ranks, 1, {cell, bank_wire}};
}

constexpr Bytes kLong{1e6};  // of one pseudo channel's external bandwidth: a dozen refreshes

StreamResult long_stream(const Dram& dram, const AccessPath& path) {
  return simulate_stream(dram, path, kLong * (1.0 * dram.channels()) * (nominal(dram, path) / dram.peak()));
}

}  // namespace

const std::vector<std::string>& access_path_names() {
  static const std::vector<std::string> names = {"external", "buffer", "logic-pim", "bank-group", "bank"};
  return names;
}

AccessPath access_path(std::string_view name, const Dram& dram) {
  for (AccessPath path :
       {external_path(dram), buffer_path(dram), logic_pim_path(dram), bank_group_path(dram), bank_path(dram)}) {
    if (path.name == name) {
      return path;
    }
  }
  throw UserError(fmt::format("unknown access path '{}'{}", printable(name), suggest(name, access_path_names())));
}

int bundles(const AccessPath& path, const Dram& dram) { return dram.ranks * (dram.banks() / path.banks); }

AccessPath with_power_limit(AccessPath path, const Dram& dram, std::int64_t cycles) {
  if (path.banks == 1) {
    return path;
  }
  const auto stretched = [&](std::int64_t spacing) {
    const std::int64_t usual = dram.timing.nCCDL;
    return std::max(spacing, (spacing * cycles + usual - 1) / usual);
  };
  path.spacing = stretched(path.spacing);
  path.rank_spacing = stretched(path.rank_spacing);
  return path;
}

AccessPath read_access_path(const Config& config, const Dram& dram) {
  const Config named = config.is_string() ? config : config.at("path");
  AccessPath path;
  try {
    path = access_path(named.string(), dram);
  } catch (const UserError& error) {
    named.fail(error.what());
  }
  if (config.is_string()) {
    return path;
  }
  const auto count = [&](const char* key, std::int64_t least, std::int64_t most, auto& value) {
    if (const auto given = config.find(key)) {
      const std::int64_t number = given->integer();
      if (number < least || number > most) {
        given->fail(fmt::format("must be from {} to {}, found {}", least, most, number));
      }
      value = static_cast<std::remove_reference_t<decltype(value)>>(number);
    }
  };
  const std::int64_t most = bundles(path, dram);
  count("interleave", 1, most, path.interleave);
  path.turns = std::min(path.turns, static_cast<int>(most) / path.interleave);
  count("turns", 1, most / path.interleave, path.turns);
  std::int64_t limit = 0;
  count("power_limit", dram.timing.nCCDL, 1024, limit);
  return limit > 0 ? with_power_limit(path, dram, limit) : path;
}

namespace {

/// With so many bundles in use at once.
double cycles_apart(const Dram& dram, const AccessPath& path, int used) {
  const auto spacing = static_cast<double>(path.spacing);
  if (path.banks == 1) {
    return std::max(spacing, static_cast<double>(dram.timing.nCCDL) / std::min(used, dram.bank_groups));
  }
  return std::max(spacing, static_cast<double>(path.rank_spacing) / std::min(used, dram.ranks));
}

}  // namespace

double access_cycles(const Dram& dram, const AccessPath& path) { return cycles_apart(dram, path, path.interleave); }

BytesPerSecond nominal(const Dram& dram, const AccessPath& path) {
  return Bytes{static_cast<double>(path.banks * dram.access * dram.channels())} /
         (dram.clock_period * cycles_apart(dram, path, path.interleave * path.turns));
}

double attained_share(const Dram& dram, const AccessPath& path) {
  return long_stream(dram, path).bandwidth() / nominal(dram, path);
}

JoulesPerByte column_energy(const Dram& dram, const AccessPath& path) {
  JoulesPerByte sum;
  for (const DramStep step : path.steps) {
    sum += dram.energy[static_cast<std::size_t>(step)];
  }
  return sum;
}

JoulesPerByte energy(const Dram& dram, const AccessPath& path) {
  const StreamResult result = long_stream(dram, path);
  return result.total_energy() / result.moved;
}

}  // namespace moesaic
