#include "apps/validate_operators.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <ostream>
#include <tuple>

#include "apps/judging.hpp"
#include "apps/output.hpp"
#include "apps/select.hpp"
#include "base/error.hpp"
#include "reports/validation.hpp"

namespace moesaic {
namespace {

/// Mistakes that cost nothing to find before minutes of fitting.
void check_options(const ValidateOperatorsOptions& options) {
  const int ways = static_cast<int>(!options.profiles.empty()) + static_cast<int>(!options.train.empty()) +
                   static_cast<int>(!options.transfers.empty()) + static_cast<int>(options.leave_out);
  if (ways > 1) {
    throw UserError("--profile, --train, --transfer and --leave-out are different ways to judge: give one of them");
  }
  if (!options.transfers.empty() && options.transfers.front().find(':') == std::string::npos) {
    throw UserError(fmt::format("--transfer: '{}' is not FROM:TO; for example h100-sxm:h200",
                                printable(options.transfers.front())));
  }
  if (!options.transfers.empty() && !options.device.empty()) {
    throw UserError("--device: --transfer names its devices itself");
  }
  check_output("-o", options.output_file);
  check_output("--json", options.json_file);
  check_output("--csv", options.csv_file);
  check_output("--html", options.html_file);
}

struct Transfer {
  std::string from, to;
};

/// "h100:h200,b200" is two of them, as is "h100:h200,h100:b200".
std::vector<Transfer> parse_transfers(const std::vector<std::string>& items, const Measurements& measurements) {
  std::vector<Transfer> transfers;
  std::string from;
  for (const std::string& item : items) {
    const auto colon = item.find(':');
    if (colon != item.npos) {
      from = find_device(measurements, "--transfer", item.substr(0, colon));
    }
    const std::string to = find_device(measurements, "--transfer", colon == item.npos ? item : item.substr(colon + 1));
    if (to == from) {
      throw UserError(fmt::format("--transfer: from '{}' to itself", printable(to)));
    }
    transfers.push_back({from, to});
  }
  return transfers;
}

void add(Judgement& sum, Judgement part) {
  sum.rows.insert(sum.rows.end(), part.rows.begin(), part.rows.end());
  std::move(part.groups.begin(), part.groups.end(), std::back_inserter(sum.groups));
  if (sum.not_judged == 0) {
    sum.why_not = part.why_not;
  }
  sum.not_judged += part.not_judged;
  for (const auto& [why, rows] : part.reasons) {
    sum.reasons[why] += rows;
  }
}

Judgement judge_as_asked(const ValidateOperatorsOptions& options, const Measurements& measurements,
                         const std::vector<Profile>& profiles, const Selection& selection, const Console& console) {
  if (!options.transfers.empty()) {
    Judgement sum;
    for (const Transfer& transfer : parse_transfers(options.transfers, measurements)) {
      if (console.progress) {
        console.err << fmt::format("\r\x1b[K{} to {}", printable(transfer.from), printable(transfer.to)) << std::flush;
      }
      add(sum, judge_transfer(measurements, transfer.from, transfer.to));
    }
    std::stable_sort(sum.groups.begin(), sum.groups.end(), [](const JudgedGroup& a, const JudgedGroup& b) {
      return std::tie(a.device, a.stack, a.kind, a.dtype) < std::tie(b.device, b.stack, b.kind, b.dtype);
    });
    return sum;
  }
  JudgeOptions how;
  how.leave_out = options.leave_out;
  how.profiles = profiles;
  ReadResult train;
  if (!options.train.empty()) {
    // Another device's measurements may be what is to be judged by: only the kinds are selected.
    train = read_selected(options.train, {.device = "", .stack = "", .families = selection.families});
    how.train = &train.measurements;
  }
  how.progress = progress_of(console);
  return judge(measurements, how);
}

std::string report(const std::string& format, const Validation& validation, const std::string& command, bool rich) {
  if (format == "json") {
    return validation_json(validation);
  }
  if (format == "csv") {
    return validation_csv(validation);
  }
  return format == "html" ? validation_page(validation, command) : validation_text(validation, {.rich = rich});
}

}  // namespace

void validate_operators(const ValidateOperatorsOptions& options, const std::string& command, const Console& console) {
  check_options(options);
  Selection selection{options.device, options.stack, {}};
  for (const std::string& kind : options.kinds) {
    selection.families.push_back(parse_family(kind));
  }
  const std::vector<std::string> data =
      options.data.empty() ? std::vector{default_operator_data().string()} : options.data;
  const std::vector<Profile> profiles = read_profiles(options.profiles);
  const ReadResult read_data = read_selected(data, selection);
  const Measurements& measurements = read_data.measurements;
  const Judgement judgement = judge_as_asked(options, measurements, profiles, selection, console);
  if (console.progress) {
    console.err << "\r\x1b[K" << std::flush;
  }
  warn_skipped(read_data, console.err);
  const Validation validation{measurements, judgement, data, count_seen(profiles, measurements, judgement)};
  const auto write = [&](const std::string& option, const std::string& format, const std::string& file) {
    if (!file.empty()) {
      write_result(report(format, validation, command, false), file, console.out, option);
    }
  };
  write("--json", "json", options.json_file);
  write("--csv", "csv", options.csv_file);
  write("--html", "html", options.html_file);
  const bool rich = console.rich && options.output_file.empty();
  write_result(report(options.format, validation, command, rich), options.output_file, console.out);
}

}  // namespace moesaic
