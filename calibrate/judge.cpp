#include "calibrate/judge.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <optional>

#include "base/catalog.hpp"
#include "base/error.hpp"
#include "base/statistics.hpp"
#include "calibrate/profile_shelf.hpp"

namespace moesaic {

std::string_view name(JudgeMode mode) {
  constexpr std::string_view kNames[] = {"profile", "trained", "left_out", "borrowed"};
  return kNames[static_cast<std::size_t>(mode)];
}

std::string_view name(HeldOut held_out) {
  constexpr std::string_view kNames[] = {"shape", "size", "ranks"};
  return kNames[static_cast<std::size_t>(held_out)];
}

double JudgedRow::error() const { return predicted / measured - 1; }

std::string judged_kind(const MeasurementKey& key, const Measurement& row) {
  std::string kind(name(key.family));
  if (key.family == Family::moe) {
    kind += row.shape[7] > 0 ? " skewed" : " balanced";
  }
  return kind;
}

std::string judged_dtype(const MeasurementKey& key) {
  return key.kv_dtype.empty() ? key.dtype : key.dtype + " kv=" + key.kv_dtype;
}

std::string held_together(const Measurement& row, Family family, HeldOut held_out) {
  const ShapeValues& shape = row.shape;
  if (family == Family::collective && held_out == HeldOut::ranks) {
    return fmt::format("ranks={} gpus_per_node={}", shape[1], shape[2]);
  }
  if (family == Family::expert_exchange && held_out != HeldOut::whole_shape) {
    return held_out == HeldOut::size ? fmt::format("tokens={}", shape[6])
                                     : fmt::format("ranks={} nodes={}", shape[3], shape[4]);
  }
  return whole_shape(row, family);
}

namespace {

using RowsOfStack = std::map<std::pair<std::string, std::string>, std::vector<std::uint32_t>>;

RowsOfStack by_stack(const Measurements& measurements) {
  RowsOfStack result;
  for (std::uint32_t i = 0; i < measurements.rows.size(); ++i) {
    const MeasurementKey& key = measurements.key_of(measurements.rows[i]);
    result[{key.device, key.stack}].push_back(i);
  }
  return result;
}

/// Why rows are not judged, by HeldOut.
constexpr std::string_view kAlone[] = {"one whole shape only: nothing is left to fit on",
                                       "one size only: nothing is left to fit on",
                                       "one number of ranks only: nothing is left to fit on"};

/// Deterministic scatter of whole shapes over folds.
int fold_of(const std::string& shape, int folds) {
  std::uint64_t hash = 14695981039346656037ULL;
  for (const char c : shape) {
    hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211ULL;
  }
  hash ^= hash >> 29;
  return static_cast<int>(hash % static_cast<std::uint64_t>(folds));
}

class Judge {
 public:
  Judge(const Measurements& measurements, const JudgeOptions& options)
      : measurements_(measurements), options_(options) {}

  Judgement run() {
    const RowsOfStack stacks = by_stack(measurements_);
    total_ = measurements_.rows.size();
    if (options_.train != nullptr) {
      judge_by_training(stacks);
    } else if (!options_.profiles.empty()) {
      const ProfileShelf shelf(options_.profiles);
      for (const auto& [stack, rows] : stacks) {
        judge_by_shelf(shelf, rows, JudgeMode::profile);
      }
    } else {
      judge_unseen(stacks);
    }
    set_constant_efficiency(judgement_, measurements_);
    score();
    return std::move(judgement_);
  }

 private:
  void progress(std::size_t rows, const std::string& what) {
    done_ += rows;
    if (options_.progress) {
      options_.progress(done_, total_, what);
    }
  }

  void judge_by_training(const RowsOfStack& stacks) {
    std::vector<Profile> fitted;
    const RowsOfStack trained = by_stack(*options_.train);
    total_ += options_.train->rows.size();
    for (const auto& [stack, rows] : trained) {
      if (const auto machine = machine_of(stack.first)) {
        fitted.push_back(fit_profile(*options_.train, rows, *machine, {}));
      }
      progress(rows.size(), "fitting " + stack.first + " " + stack.second);
    }
    const ProfileShelf shelf(std::move(fitted));
    for (const auto& [stack, rows] : stacks) {
      judge_by_shelf(shelf, rows, JudgeMode::trained);
    }
  }

  /// Shipped profiles judge what they have not seen; the rest is judged by leaving out.
  void judge_unseen(const RowsOfStack& stacks) {
    std::map<std::string, std::string> shipped;  // name -> file
    for (const CatalogEntry& entry : list_catalog("profiles")) {
      shipped[entry.name] = entry.file.string();
    }
    std::vector<std::uint32_t> strangers;  // of devices and stacks without a profile
    for (const auto& [stack, rows] : stacks) {
      // The catalog writes "--" as "/".
      const auto file = shipped.find(stack.first + "/" + stack.second);
      std::vector<std::uint32_t> unseen, seen;
      std::optional<Profile> profile;
      if (file != shipped.end() && !options_.leave_out) {
        profile = read_profile(Config::load(file->second));
      }
      for (const std::uint32_t row : rows) {
        const Family family = measurements_.key_of(measurements_.rows[row]).family;
        const bool is_new = profile && !profile->has_seen(family, whole_shape(measurements_.rows[row], family));
        (is_new ? unseen : seen).push_back(row);
      }
      if (!unseen.empty()) {
        judge_by_shelf(ProfileShelf({*profile}), unseen, JudgeMode::profile);
      }
      if (!seen.empty()) {
        judge_left_out(stack.first, seen);
      }
    }
  }

  void judge_left_out(const std::string& device, const std::vector<std::uint32_t>& rows) {
    const auto machine = machine_of(device);
    if (!machine) {
      skip(rows.size(), "no machine '" + device + "' in the catalog");
      return;
    }
    const auto held = [&](std::uint32_t row) {
      const Family family = measurements_.key_of(measurements_.rows[row]).family;
      return std::pair{family, held_together(measurements_.rows[row], family, options_.held_out)};
    };
    // Few of them of a kernel are dealt out in turn, so that each is left out once.
    std::map<std::pair<Family, std::string>, int> order;
    std::map<Family, int> counts;
    for (const std::uint32_t row : rows) {
      const auto [at, is_new] = order.emplace(held(row), 0);
      if (is_new) {
        at->second = counts[at->first.first]++;
      }
    }
    const auto fold = [&](std::uint32_t row) {
      const auto key = held(row);
      return counts[key.first] < 40 ? order[key] % options_.folds : fold_of(key.second, options_.folds);
    };
    std::vector<int> folds;
    folds.reserve(rows.size());
    for (const std::uint32_t row : rows) {
      folds.push_back(fold(row));
    }
    for (int f = 0; f < options_.folds; ++f) {
      std::vector<std::uint32_t> seen, left;
      for (std::size_t i = 0; i < rows.size(); ++i) {
        (folds[i] == f ? left : seen).push_back(rows[i]);
      }
      if (left.empty()) {
        continue;
      }
      if (seen.empty()) {
        skip(left.size(), std::string(kAlone[static_cast<std::size_t>(options_.held_out)]));
        continue;
      }
      ProfileOptions fit;
      fit.surface.folds = 3;
      judge_by_shelf(ProfileShelf({fit_profile(measurements_, seen, *machine, fit)}), left, JudgeMode::left_out);
    }
  }

  void judge_by_shelf(const ProfileShelf& shelf, const std::vector<std::uint32_t>& rows, JudgeMode mode) {
    for (const std::uint32_t index : rows) {
      judge_row(shelf, index, mode);
    }
    const MeasurementKey& key = measurements_.key_of(measurements_.rows[rows.front()]);
    progress(rows.size(), key.device + " " + key.stack);
  }

  /// Collectives move bytes: a message of half precision stands for one of another format, as in predictions.
  static ShelvedSurface find(const ProfileShelf& shelf, const MeasurementKey& key, const KernelMachine& machine) {
    const ShelvedSurface own =
        shelf.find(key.device, machine, key.stack, key.family, key.dtype, key.kv_dtype, key.kernel);
    return own.surface != nullptr || key.family != Family::collective
               ? own
               : shelf.find(key.device, machine, key.stack, key.family, "fp16", key.kv_dtype, key.kernel);
  }

  void judge_row(const ProfileShelf& shelf, std::uint32_t index, JudgeMode mode) {
    const Measurement& row = measurements_.rows[index];
    const MeasurementKey& key = measurements_.key_of(row);
    const auto machine = figures_of(key.device);
    if (!machine) {
      skip(1, "no machine '" + key.device + "' in the catalog");
      return;
    }
    const ShelvedSurface chosen = find(shelf, key, *machine);
    if (chosen.surface == nullptr) {
      skip(1, fmt::format("no fit has {} {} {}", name(key.family), key.dtype, key.kernel));
      return;
    }
    const KernelSetting setting{key.family, kernel_formats(key.dtype, key.kv_dtype), key.kernel, *machine};
    const KernelPoint point = kernel_point(setting, row.shape);
    KernelEstimate estimate = chosen.surface->estimate(point, row.shape, machine->cache);
    if (chosen.borrowed) {
      estimate = widen_borrowed(estimate);
    }
    judgement_.rows.push_back({.row = index,
                               .mode = chosen.borrowed ? JudgeMode::borrowed : mode,
                               .predicted = estimate.seconds,
                               .half50 = estimate.half50,
                               .half90 = estimate.half90,
                               .roofline = std::max(point.terms.compute, point.terms.memory),
                               .measured = row.latency.value});
  }

  void score();

  std::optional<Machine> machine_of(const std::string& device) const {
    try {
      return read_machine(load_machine_config(device));
    } catch (const UserError&) {
      return std::nullopt;
    }
  }

  const std::optional<KernelMachine>& figures_of(const std::string& device) {
    const auto found = figures_.find(device);
    if (found != figures_.end()) {
      return found->second;
    }
    std::optional<KernelMachine> figures;
    if (const auto machine = machine_of(device)) {
      figures = machine_figures(*machine);
    }
    return figures_.emplace(device, figures).first->second;
  }

  void skip(std::size_t rows, const std::string& why) {
    if (judgement_.not_judged == 0) {
      judgement_.why_not = why;
    }
    judgement_.not_judged += rows;
    judgement_.reasons[why] += rows;
  }

  const Measurements& measurements_;
  const JudgeOptions& options_;
  std::map<std::string, std::optional<KernelMachine>> figures_;
  Judgement judgement_;
  std::size_t done_ = 0;
  std::size_t total_ = 0;
};

void Judge::score() {
  std::map<std::array<std::string, 5>, std::vector<const JudgedRow*>> grouped;
  for (const JudgedRow& row : judgement_.rows) {
    const Measurement& measured = measurements_.rows[row.row];
    const MeasurementKey& key = measurements_.key_of(measured);
    grouped[{key.device, key.stack, judged_kind(key, measured), judged_dtype(key), std::string(name(row.mode))}]
        .push_back(&row);
  }
  for (const auto& [key, rows] : grouped) {
    JudgedGroup group{.device = key[0], .stack = key[1], .kind = key[2], .dtype = key[3], .mode = rows[0]->mode};
    std::vector<double> errors, signed_errors, roofline, constant;
    double inside50 = 0, inside90 = 0;
    for (const JudgedRow* row : rows) {
      errors.push_back(std::abs(row->error()));
      signed_errors.push_back(row->error());
      roofline.push_back(std::abs(row->roofline / row->measured - 1));
      constant.push_back(std::abs(row->constant / row->measured - 1));
      const double deviation = std::abs(std::log(row->predicted / row->measured));
      inside50 += deviation <= row->half50;
      inside90 += deviation <= row->half90;
    }
    const auto count = static_cast<double>(rows.size());
    group.rows = rows.size();
    group.median_abs_error = percentile(errors, 0.5);
    group.p90_abs_error = percentile(errors, 0.9);
    group.bias = median(signed_errors);
    group.coverage50 = inside50 / count;
    group.coverage90 = inside90 / count;
    group.roofline_median = percentile(roofline, 0.5);
    group.roofline_p90 = percentile(roofline, 0.9);
    group.constant_median = percentile(constant, 0.5);
    group.constant_p90 = percentile(constant, 0.9);
    judgement_.groups.push_back(std::move(group));
  }
}

}  // namespace

void set_constant_efficiency(Judgement& judgement, const Measurements& measurements) {
  std::map<std::uint32_t, std::vector<double>> achieved;
  for (const JudgedRow& row : judgement.rows) {
    if (row.roofline > 0) {
      achieved[measurements.rows[row.row].key].push_back(row.roofline / row.measured);
    }
  }
  std::map<std::uint32_t, double> efficiency;
  for (auto& [key, values] : achieved) {
    efficiency[key] = median(values);
  }
  for (JudgedRow& row : judgement.rows) {
    row.constant = row.roofline > 0 ? row.roofline / efficiency[measurements.rows[row.row].key] : 0;
  }
}

Judgement judge(const Measurements& measurements, const JudgeOptions& options) {
  return Judge(measurements, options).run();
}

Judgement judge_transfer(const Measurements& measurements, const std::string& from_device,
                         const std::string& to_device) {
  Measurements train, test;
  std::vector<std::uint32_t> origins;  // of the rows of test
  for (std::uint32_t i = 0; i < measurements.rows.size(); ++i) {
    const Measurement& row = measurements.rows[i];
    const MeasurementKey& key = measurements.key_of(row);
    if (key.device != from_device && key.device != to_device) {
      continue;
    }
    Measurements& side = key.device == from_device ? train : test;
    Measurement copy = row;
    copy.key = side.key_index(key);
    copy.file = 0;
    side.rows.push_back(copy);
    if (&side == &test) {
      origins.push_back(i);
    }
  }
  train.files = test.files = {"transfer"};
  JudgeOptions options;
  options.train = &train;
  Judgement judgement = judge(test, options);
  for (JudgedRow& row : judgement.rows) {
    row.row = origins[row.row];
  }
  return judgement;
}

}  // namespace moesaic
