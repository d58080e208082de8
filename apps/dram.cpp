#include "apps/dram.hpp"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>

#include "apps/options.hpp"
#include "base/error.hpp"
#include "base/quantity_text.hpp"
#include "reports/dram.hpp"

namespace moesaic {
namespace {

constexpr std::int64_t kMostCycles = 1024, kMostQueue = 1024;
constexpr double kMostAccesses = 3e7;  // of one pseudo channel: some seconds

Dram load(const std::string& memory) {
  try {
    return *load_dram(memory);
  } catch (const UserError& error) {
    throw UserError(fmt::format("--memory: {}", error.what()));
  }
}

Bytes read_bytes(const std::string& text, const Dram& dram) {
  Bytes bytes;
  try {
    bytes = parse_quantity<Bytes>(text);
  } catch (const UserError& error) {
    throw UserError(fmt::format("--bytes: {}", error.what()));
  }
  const Bytes most =
      std::min(dram.capacity(), Bytes{kMostAccesses * dram.channels() * static_cast<double>(dram.access)});
  if (!(bytes.value >= 1 && bytes <= most)) {
    throw UserError(fmt::format("--bytes: found '{}', allowed are 1 B to {}", printable(text), to_text(most)));
  }
  return bytes;
}

void check(const char* option, std::int64_t value, std::int64_t least, std::int64_t most) {
  if (value < least || value > most) {
    throw UserError(fmt::format("{}: found {}, allowed are {} to {}", option, value, least, most));
  }
}

AccessPath read_path(const DramOptions& options, const std::string& name, const Dram& dram) {
  AccessPath path;
  try {
    path = access_path(name, dram);
  } catch (const UserError& error) {
    throw UserError(fmt::format("--path: {}", error.what()));
  }
  const int most = bundles(path, dram);
  if (options.interleave != 0) {
    check("--interleave", options.interleave, 1, most);
    path.interleave = static_cast<int>(options.interleave);
    path.turns = std::min(path.turns, most / path.interleave);
  }
  if (options.turns != 0) {
    check("--turns", options.turns, 1, most / path.interleave);
    path.turns = static_cast<int>(options.turns);
  }
  if (options.power_limit != 0) {
    check("--power-limit", options.power_limit, dram.timing.nCCDL, kMostCycles);
    path = with_power_limit(path, dram, options.power_limit);
  }
  return path;
}

}  // namespace

CLI::App* add_dram_command(CLI::App& app, DramOptions& options) {
  CLI::App* command = app.add_subcommand(
      "dram", "Stacked memory: bandwidth and energy of its access paths, simulated command by command");
  const auto add = [command](const char* name, auto& value, const char* what, const char* type) {
    return command->add_option(name, value, what)->type_name(type);
  };
  add("--memory", options.memory, "Memory: a preset's name or part of it, or a file (default hbm3-5200)", "NAME|FILE");
  add("--path", options.paths,
      "external, buffer, logic-pim, bank-group, bank; lists are separated by commas (default: all)", "NAME,...")
      ->delimiter(',');
  add("--bytes", options.bytes, "Of the stream, over the whole device (default 112 MiB)", "SIZE");
  CLI::Option* write = command->add_flag("--write", options.write, "Writes instead of reads");
  command->add_flag("--update", options.update, "Reads every row and writes it")->excludes(write);
  add("--power-limit", options.power_limit,
      "Cycles between commands on all banks of a rank, where power allows fewer than the banks do", "CYCLES");
  add("--interleave", options.interleave, "Bundles of banks that addresses take in turn, access by access", "N");
  add("--turns", options.turns, "Sets of such bundles that addresses take in turn, row by row", "N");
  add("--queue", options.queue, "Accesses that a pseudo channel's controller chooses from (default: the memory's)",
      "N");
  add_output_options(*command, options.format, options.output_file, {"text", "json"});
  command->footer("Example:\n  moesaic dram --memory hbm3e-8000 --path external,logic-pim --bytes 1GB");
  return command;
}

std::string dram_result(const DramOptions& options, bool rich) {
  Dram dram = load(options.memory);
  if (options.queue != 0) {
    check("--queue", options.queue, 1, kMostQueue);
    dram.queue = static_cast<int>(options.queue);
  }
  std::vector<AccessPath> paths;
  for (const std::string& name : options.paths.empty() ? access_path_names() : options.paths) {
    paths.push_back(read_path(options, name, dram));
  }
  const StreamKind kind = options.update ? StreamKind::update : options.write ? StreamKind::write : StreamKind::read;
  const DramReport report = report_dram(dram, paths, read_bytes(options.bytes, dram), kind);
  return options.format == "json" ? dram_json(report) : dram_text(report, {.rich = rich});
}

}  // namespace moesaic
