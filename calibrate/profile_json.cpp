// Profiles as text: JSON whose tables are strings of numbers, which read a hundred times faster than JSON arrays.
#include <fmt/format.h>

#include <array>
#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "calibrate/profile.hpp"

namespace moesaic {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kProfileVersion = 1;

std::string floats_text(std::span<const float> values) {
  std::string text;
  for (const float value : values) {
    fmt::format_to(std::back_inserter(text), "{}{}", text.empty() ? "" : " ", value);
  }
  return text;
}

/// Whole numbers of kResidualUnit; a run of n equal ones is written "value*n".
std::string residuals_text(std::span<const float> values) {
  std::string text;
  for (std::size_t i = 0; i < values.size();) {
    const long number = std::lround(static_cast<double>(values[i]) / kResidualUnit);
    std::size_t run = 1;
    while (i + run < values.size() && values[i + run] == values[i]) {
      ++run;
    }
    fmt::format_to(std::back_inserter(text), "{}{}", text.empty() ? "" : " ", number);
    if (run > 1) {
      fmt::format_to(std::back_inserter(text), "*{}", run);
    }
    i += run;
  }
  return text;
}

Json trees_json(const BoostedTrees& trees) {
  std::string splits;
  for (const TreeSplits& tree : trees.splits) {
    splits += splits.empty() ? "" : ";";
    std::string separator;
    if (!std::isfinite(tree.threshold[0])) {
      splits += "-";  // a single leaf
    }
    for (std::size_t i = 0; i < kTreeDepth && std::isfinite(tree.threshold[i]); ++i) {
      splits += fmt::format("{}{}>{}", separator, tree.feature[i], tree.threshold[i]);
      separator = " ";
    }
  }
  return {{"splits", splits}, {"leaves", residuals_text(trees.leaves)}};
}

Json surface_json(const KernelSurface& surface) {
  Json json{{"operator", name(surface.family)},
            {"dtype", surface.dtype},
            {"kv_dtype", surface.kv_dtype},
            {"kernel", surface.kernel},
            {"rows", surface.rows},
            {"shapes", surface.shapes},
            {"left_out_error", {{"median", surface.median_error}, {"p90", surface.p90_error}}},
            {"core",
             {{"fixed_s", surface.core.fixed},
              {"step_s", surface.core.step},
              {"compute_fraction", surface.core.compute_fraction},
              {"memory_fraction", surface.core.memory_fraction},
              {"sharpness", surface.core.sharpness},
              {"cache_gain", surface.core.cache_gain}}}};
  if (!surface.lattice.empty()) {
    Json axes = Json::array();
    for (const auto& axis : surface.lattice.axes) {
      axes.push_back(floats_text(axis));
    }
    json["lattice"] = {{"axes", axes}, {"values", residuals_text(surface.lattice.values)}};
  } else {
    json["trees"] = trees_json(surface.trees);
  }
  json["spread"] = trees_json(surface.spread);
  json["spread50"] = surface.spread50;
  json["spread90"] = surface.spread90;
  json["least"] = floats_text(surface.least);
  json["most"] = floats_text(surface.most);
  return json;
}

/// Reads numbers one after another out of a string of the file.
class Numbers {
 public:
  explicit Numbers(const Config& config) : config_(config), text_(config.string()) {
    at_ = text_.data();
    end_ = at_ + text_.size();
  }
  bool done() const { return at_ == end_; }
  template <class T>
  T next() {
    T value{};
    const auto [stop, error] = std::from_chars(at_, end_, value);
    if (error != std::errc{}) {
      config_.fail(fmt::format("'{}' is not a number",
                               printable(std::string_view(at_, static_cast<std::size_t>(end_ - at_)), 20)));
    }
    at_ = stop;
    return value;
  }
  /// Skips `c` if it comes next.
  bool skip(char c) {
    if (at_ != end_ && *at_ == c) {
      ++at_;
      return true;
    }
    return false;
  }
  void separator() {
    if (at_ != end_ && !skip(' ')) {
      config_.fail(fmt::format("unexpected '{}' between numbers", printable(std::string_view(at_, 1))));
    }
  }
  [[noreturn]] void fail(std::string_view message) const { config_.fail(message); }

 private:
  Config config_;
  std::string text_;
  const char* at_;
  const char* end_;
};

std::vector<float> read_floats(const Config& config) {
  std::vector<float> values;
  for (Numbers numbers(config); !numbers.done(); numbers.separator()) {
    values.push_back(numbers.next<float>());
    if (!std::isfinite(values.back())) {
      config.fail("must hold finite numbers");
    }
  }
  return values;
}

std::vector<float> read_residuals(const Config& config) {
  constexpr std::size_t kMost = 1U << 22;
  std::vector<float> values;
  for (Numbers numbers(config); !numbers.done(); numbers.separator()) {
    const auto value = static_cast<float>(numbers.next<std::int32_t>() * kResidualUnit);
    const std::uint32_t run = numbers.skip('*') ? numbers.next<std::uint32_t>() : 1;
    if (run > kMost - values.size()) {
      config.fail("holds too many values");
    }
    values.insert(values.end(), run, value);
  }
  return values;
}

BoostedTrees read_trees(const Config& config) {
  BoostedTrees trees;
  const Config splits = config.at("splits");
  std::size_t leaves = 0;
  for (Numbers numbers(splits); !numbers.done();) {
    TreeSplits tree;
    tree.threshold.fill(std::numeric_limits<float>::infinity());
    std::size_t depth = 0;
    numbers.skip('-');
    while (!numbers.done() && !numbers.skip(';')) {
      if (depth == kTreeDepth) {
        numbers.fail("a tree is too deep");
      }
      tree.feature[depth] = numbers.next<std::int32_t>();
      if (tree.feature[depth] < 0 || tree.feature[depth] >= static_cast<std::int32_t>(kFeatureCount) ||
          !numbers.skip('>')) {
        numbers.fail("expected FEATURE>THRESHOLD with a feature from 0 to 15");
      }
      tree.threshold[depth++] = numbers.next<float>();
      numbers.skip(' ');
    }
    trees.first_leaf.push_back(static_cast<std::uint32_t>(leaves));
    leaves += std::size_t{1} << depth;
    trees.splits.push_back(tree);
  }
  trees.leaves = read_residuals(config.at("leaves"));
  if (trees.leaves.size() != leaves) {
    config.at("leaves").fail(fmt::format("holds {} values, but the splits need {}", trees.leaves.size(), leaves));
  }
  return trees;
}

Lattice read_lattice(const Config& config) {
  Lattice lattice;
  std::size_t nodes = 1;
  for (const Config& axis : config.at("axes").elements()) {
    lattice.axes.push_back(read_floats(axis));
    const std::vector<float>& knots = lattice.axes.back();
    if (knots.empty() || std::adjacent_find(knots.begin(), knots.end(), std::greater_equal<>()) != knots.end()) {
      axis.fail("must hold ascending numbers");
    }
    nodes *= knots.size();
  }
  lattice.values = read_residuals(config.at("values"));
  if (lattice.axes.empty() || lattice.axes.size() > kMostAxes || lattice.values.size() != nodes) {
    config.at("values").fail(fmt::format("holds {} values, but the axes need {}", lattice.values.size(), nodes));
  }
  return lattice;
}

double above(const Config& config, double least) {
  const double value = config.number();
  if (!(value >= least)) {
    config.fail(fmt::format("must be at least {}, found {}", least, value));
  }
  return value;
}

double fraction(const Config& config) {
  const double value = config.number();
  if (!(value > 0 && value <= 1)) {
    config.fail("must be above 0 and at most 1 (a fraction of peak)");
  }
  return value;
}

FeatureRow read_features(const Config& config) {
  const std::vector<float> values = read_floats(config);
  FeatureRow row{};
  if (values.size() != row.size()) {
    config.fail(fmt::format("must hold {} numbers, found {}", row.size(), values.size()));
  }
  std::copy(values.begin(), values.end(), row.begin());
  return row;
}

KernelSurface read_surface(const Config& config) {
  KernelSurface surface;
  try {
    surface.family = parse_family(config.at("operator").string());
  } catch (const UserError& error) {
    config.at("operator").fail(error.what());
  }
  surface.dtype = config.at("dtype").string();
  surface.kv_dtype = config.at("kv_dtype").string();
  try {
    kernel_formats(surface.dtype, surface.kv_dtype);
  } catch (const UserError& error) {
    config.at("dtype").fail(error.what());
  }
  surface.kernel = config.at("kernel").string();
  surface.rows = static_cast<std::size_t>(config.at("rows").positive());
  surface.shapes = static_cast<std::size_t>(config.at("shapes").positive());
  surface.median_error = above(config.at("left_out_error").at("median"), 0);
  surface.p90_error = above(config.at("left_out_error").at("p90"), 0);
  const Config core = config.at("core");
  surface.core = {above(core.at("fixed_s"), 0),          above(core.at("step_s"), 0),
                  fraction(core.at("compute_fraction")), fraction(core.at("memory_fraction")),
                  above(core.at("sharpness"), 1),        above(core.at("cache_gain"), 1)};
  if (const auto lattice = config.find("lattice")) {
    surface.lattice = read_lattice(*lattice);
    if (surface.lattice.axes.size() != lattice_axes(surface.family)) {
      lattice->fail(fmt::format("must have {} axes", lattice_axes(surface.family)));
    }
  } else {
    surface.trees = read_trees(config.at("trees"));
  }
  surface.spread = read_trees(config.at("spread"));
  surface.spread50 = above(config.at("spread50"), 0);
  surface.spread90 = above(config.at("spread90"), 0);
  surface.least = read_features(config.at("least"));
  surface.most = read_features(config.at("most"));
  return surface;
}

}  // namespace

std::string profile_json(const Profile& profile) {
  Json json{
      {"kind", "kernel profile"}, {"version", kProfileVersion}, {"device", profile.device}, {"stack", profile.stack}};
  Json files = Json::object(), shapes = Json::object();
  for (const auto& [file, rows] : profile.provenance.files) {
    files[file] = rows;
  }
  for (const auto& [family, of_family] : profile.provenance.shapes) {
    shapes[family] = fmt::format("{}", fmt::join(of_family, "; "));
  }
  json["provenance"] = {{"date", profile.provenance.date}, {"measurements", files}, {"shapes", shapes}};
  json["surfaces"] = Json::array();
  for (const KernelSurface& surface : profile.surfaces) {
    json["surfaces"].push_back(surface_json(surface));
  }
  return json.dump(1) + "\n";
}

Profile read_profile(const Config& config) {
  Profile profile;
  constexpr std::array<std::string_view, 2> kNotes{"kind", "sources"};
  config.ignore(kNotes);
  if (config.at("version").integer() != kProfileVersion) {
    config.at("version").fail(fmt::format("this program reads version {}", kProfileVersion));
  }
  profile.device = config.at("device").string();
  profile.stack = config.at("stack").string();
  const Config provenance = config.at("provenance");
  profile.provenance.date = provenance.at("date").string();
  for (const std::string& file : provenance.at("measurements").keys()) {
    profile.provenance.files[file] = static_cast<std::size_t>(provenance.at("measurements").at(file).positive());
  }
  for (const std::string& family : provenance.at("shapes").keys()) {
    std::string_view text;
    const std::string all = provenance.at("shapes").at(family).string();
    text = all;
    std::vector<std::string>& shapes = profile.provenance.shapes[family];
    while (!text.empty()) {
      const auto end = text.find("; ");
      shapes.emplace_back(text.substr(0, end));
      text.remove_prefix(end == std::string_view::npos ? text.size() : end + 2);
    }
    std::sort(shapes.begin(), shapes.end());
  }
  for (const Config& surface : config.at("surfaces").elements()) {
    profile.surfaces.push_back(read_surface(surface));
  }
  config.reject_unknown();
  return profile;
}

}  // namespace moesaic
