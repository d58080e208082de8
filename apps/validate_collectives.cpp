#include "apps/validate_collectives.hpp"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <ostream>

#include "apps/judging.hpp"
#include "apps/output.hpp"
#include "base/error.hpp"
#include "calibrate/communication_peak.hpp"
#include "reports/collective_validation.hpp"

namespace moesaic {
namespace {

namespace fs = std::filesystem;

const std::vector<Family> kFamilies = {Family::collective, Family::expert_exchange};

void check_options(const ValidateCollectivesOptions& options) {
  const int ways = static_cast<int>(!options.profiles.empty()) + static_cast<int>(!options.train.empty()) +
                   static_cast<int>(!options.leave_out.empty());
  if (ways > 1) {
    throw UserError("--profile, --train and --leave-out are different ways to judge: give one of them");
  }
  check_output("-o", options.output_file);
  check_output("--json", options.json_file);
  check_output("--csv", options.csv_file);
  check_output("--html", options.html_file);
}

/// Of the folders that are there without asking: those with communication.
std::vector<std::string> default_data() {
  const fs::path folder = default_operator_data();
  std::vector<std::string> found;
  for (const char* name : {"comm", "stas00"}) {
    std::error_code error;
    if (fs::is_directory(folder / name, error)) {
      found.push_back((folder / name).string());
    }
  }
  if (found.empty()) {
    throw UserError(fmt::format("{}: has no folder comm or stas00 with measured collectives: give files with --data",
                                printable(folder.string(), 400)));
  }
  return found;
}

/// A folder of all measurements, "measured", keeps those of kernels in its "operator".
std::string inside_of(const std::string& typed) {
  std::error_code error;
  const fs::path inside = fs::path(typed) / "operator";
  return fs::is_directory(inside, error) ? inside.string() : typed;
}

ReadResult read_communication(const std::vector<std::string>& paths, const std::string& device,
                              const std::string& stack) {
  ReadResult read = read_measurements({paths.begin(), paths.end()});
  Measurements& all = read.measurements;
  std::erase_if(all.rows, [&](const Measurement& row) {
    const Family family = all.key_of(row).family;
    return std::find(kFamilies.begin(), kFamilies.end(), family) == kFamilies.end();
  });
  if (all.rows.empty()) {
    throw UserError(
        fmt::format("{}: no measured collectives or expert exchanges; docs/measurements.md says what is read",
                    printable(fmt::format("{}", fmt::join(paths, ", ")), 400)));
  }
  select(all, {device, stack, kFamilies});
  return read;
}

Judgement judge_as_asked(const ValidateCollectivesOptions& options, const Measurements& measurements, HeldOut held_out,
                         std::vector<Profile> profiles, const Console& console) {
  JudgeOptions how;
  how.leave_out = !options.leave_out.empty();
  how.held_out = held_out;
  how.profiles = std::move(profiles);
  ReadResult train;
  if (!options.train.empty()) {
    train = read_communication(options.train, "", "");
    how.train = &train.measurements;
  }
  how.progress = progress_of(console);
  Judgement judgement = judge(measurements, how);
  use_communication_peaks(judgement, measurements);
  return judgement;
}

std::string report(const std::string& format, const CollectiveValidation& run, const std::string& command, bool rich) {
  if (format == "json") {
    return collective_validation_json(run);
  }
  if (format == "csv") {
    return collective_validation_csv(run);
  }
  return format == "html" ? collective_validation_page(run, command) : collective_validation_text(run, {.rich = rich});
}

}  // namespace

void add_validate_collectives(CLI::App& validate, ValidateCollectivesOptions& options) {
  CLI::App& command = *validate.add_subcommand(
      "collectives", "Measured collectives and expert exchanges, inside a node and across nodes");
  const auto list = [&command](const char* name, std::vector<std::string>& values, const char* what, const char* type) {
    return command.add_option(name, values, what)->type_name(type);
  };
  const auto text = [&command](const char* name, std::string& value, const char* what, const char* type) {
    return command.add_option(name, value, what)->type_name(type);
  };
  list("--data", options.data,
       "Measurements: files or folders (default: measured/operator/comm and stas00 in the folder $MOESAIC_DATA)",
       "DIR");
  list("--profile", options.profiles,
       "Judge by these profiles (default: by shipped ones on shapes that they have not seen, by leaving out on the "
       "others)",
       "NAME|FILE")
      ->delimiter(',');
  list("--train", options.train, "Fit on these files or folders, judge all of --data by it", "DIR");
  text(
      "--leave-out", options.leave_out,
      "Judge every row by a fit without its shape (message, or expert layer), its size (message, or tokens of a rank), "
      "or its ranks",
      "WHAT")
      ->check(CLI::IsMember({"shape", "size", "ranks"}));
  text("--device", options.device, "Only devices whose name has this part; * stands for anything", "PATTERN");
  text("--stack", options.stack, "Only software stacks whose name has this part; * stands for anything", "PATTERN");
  text("--format", options.format, "Output: text, json, csv or html", "FORMAT")
      ->check(CLI::IsMember({"text", "json", "csv", "html"}));
  text("--json", options.json_file, "Also write JSON to this file", "FILE");
  text("--csv", options.csv_file, "Also write one line for each row to this file", "FILE");
  text("--html", options.html_file, "Also write a page to this file", "FILE");
  text("-o,--output-file", options.output_file, "Write to this file instead of standard output", "FILE");
  command.footer("Example:\n  moesaic validate collectives --leave-out ranks --device l40s --html collectives.html");
}

void validate_collectives(const ValidateCollectivesOptions& options, const std::string& command,
                          const Console& console) {
  check_options(options);
  HeldOut held_out = HeldOut::whole_shape;
  for (const HeldOut one : {HeldOut::size, HeldOut::ranks}) {
    held_out = options.leave_out == name(one) ? one : held_out;
  }
  std::vector<std::string> data = options.data.empty() ? default_data() : options.data;
  std::transform(data.begin(), data.end(), data.begin(), inside_of);
  const std::vector<Profile> profiles = read_profiles(options.profiles);
  const ReadResult read = read_communication(data, options.device, options.stack);
  const Judgement judgement = judge_as_asked(options, read.measurements, held_out, profiles, console);
  if (console.progress) {
    console.err << "\r\x1b[K" << std::flush;
  }
  warn_skipped(read, console.err);
  const CollectiveValidation run{
      {read.measurements, judgement, data, count_seen(profiles, read.measurements, judgement)}, held_out};
  const auto write = [&](const std::string& option, const std::string& format, const std::string& file) {
    if (!file.empty()) {
      write_result(report(format, run, command, false), file, console.out, option);
    }
  };
  write("--json", "json", options.json_file);
  write("--csv", "csv", options.csv_file);
  write("--html", "html", options.html_file);
  const bool rich = console.rich && options.output_file.empty();
  write_result(report(options.format, run, command, rich), options.output_file, console.out);
}

}  // namespace moesaic
