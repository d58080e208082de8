#include "calibrate/import_names.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>

#include "base/error.hpp"
#include "calibrate/csv.hpp"

namespace moesaic {
namespace {

struct Renamed {
  std::string_view theirs;
  std::string_view ours;
};

// In lower case, with dashes for spaces and underscores, and without a leading "nvidia-".
constexpr Renamed kDevices[] = {
    {"a100-sxm", "a100-80gb-sxm"},
    {"a100-sxm4-80gb", "a100-80gb-sxm"},
    {"a100-sxm-80gb", "a100-80gb-sxm"},
    {"a100-sxm4-40gb", "a100-40gb-sxm"},
    {"a100-pcie-40gb", "a100-40gb-pcie"},
    {"h100-80gb-hbm3", "h100-sxm"},
    {"h200-sxm", "h200"},
    {"b200-sxm", "b200"},
    {"b300-sxm", "b300"},
    {"b300-sxm6-ac", "b300"},
    {"h800-sxm", "h800"},
    {"tpu-v6e-1", "tpu-v6e"},
    {"rtx-pro-6000-server", "rtx-pro-6000"},
    {"rtx-pro-6000-blackwell-server-edition", "rtx-pro-6000"},
    {"rtx-pro-6000-blackwell-workstation-edition", "rtx-pro-6000"},
    {"rtxpro6000", "rtx-pro-6000"},
    {"rtx4090", "rtx-4090"},
    {"geforce-rtx-4090", "rtx-4090"},
    {"geforce-rtx-5090", "rtx-5090"},
    {"tesla-t4", "t4"},
    {"gh200-480gb", "gh200"},
    {"b60", "intel-b60"},
    {"intel(r)-arc(tm)-pro-b60-graphics", "intel-b60"},
    {"a100-dgx", "a100-80gb-sxm"},
    {"h100-dgx", "h100-sxm"},
};

constexpr Renamed kDtypes[] = {
    {"bfloat16", "bf16"}, {"float16", "fp16"}, {"half", "fp16"},         {"float32", "fp32"},
    {"float", "fp32"},    {"sq", "int8"},      {"w4a16_mxfp4", "mxfp4"}, {"w4a8_mxfp4_mxfp8", "mxfp4-mxfp8"},
    {"fp8_e4m3", "fp8"},
};

constexpr Renamed kCollectives[] = {
    {"alltoall", "all_to_all"},          {"allreduce", "all_reduce"}, {"allgather", "all_gather"},
    {"reducescatter", "reduce_scatter"}, {"sendrecv", "send_recv"},
};

// Expert layers without a gate (squared ReLU): NVIDIA-Nemotron-3 Super (as a whole and with its latent width), Nano and
// Ultra. From their config.json (mlp_hidden_act "relu2").
struct UngatedExperts {
  double hidden, inter, topk, experts;
};
constexpr UngatedExperts kUngated[] = {
    {1024, 2688, 22, 512}, {4096, 2688, 22, 512}, {2688, 1856, 6, 128}, {2048, 5120, 22, 512}, {8192, 5120, 22, 512},
};

template <std::size_t N>
std::string renamed(const Renamed (&table)[N], std::string text) {
  const auto* found =
      std::find_if(std::begin(table), std::end(table), [&](const Renamed& r) { return r.theirs == text; });
  return found == std::end(table) ? text : std::string(found->ours);
}

std::string with_dashes(std::string_view text) {
  std::string result;
  for (const char c : text) {
    result += c == '_' || c == ' ' ? '-' : static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  return result;
}

constexpr std::string_view kCopies = "_eplb";

}  // namespace

std::string device_name(std::string_view theirs) {
  std::string name = with_dashes(theirs);
  if (name.starts_with("nvidia-")) {
    name.erase(0, 7);
  }
  return renamed(kDevices, name);
}

std::string dtype_name(std::string_view theirs) {
  const std::string name = renamed(kDtypes, std::string(theirs));
  return with_dashes(name);
}

std::string stack_name(std::string_view engine, std::string_view version) {
  const std::string name = with_dashes(engine);
  return version.empty() ? name : name + "-" + std::string(version);
}

std::string collective_name(std::string_view theirs) { return renamed(kCollectives, std::string(theirs)); }

double skew(std::string_view distribution) {
  if (distribution.ends_with(kCopies)) {
    distribution.remove_suffix(kCopies.size());
  }
  if (distribution == "balanced" || distribution == "uniform") {
    return 0;
  }
  constexpr std::string_view kPowerLaw = "power_law_";
  if (distribution.starts_with(kPowerLaw)) {
    if (const auto exponent = parse_number(distribution.substr(kPowerLaw.size()))) {
      return *exponent;
    }
  }
  throw UnusedRow(
      fmt::format("distribution: '{}' is not balanced, uniform or power_law_EXPONENT", printable(distribution, 40)));
}

double balanced_by_copies(std::string_view distribution) { return distribution.ends_with(kCopies) ? 1 : 0; }

int expert_matrices(std::string_view kernel, double hidden, double inter, double topk, double experts) {
  const bool ungated = kernel.find("nongated") != kernel.npos ||
                       std::any_of(std::begin(kUngated), std::end(kUngated), [&](const UngatedExperts& e) {
                         return e.hidden == hidden && e.inter == inter && e.topk == topk && e.experts == experts;
                       });
  return ungated ? 2 : 3;
}

int gpus_per_node(std::string_view device) { return device == "gb200" || device == "gb300" ? 4 : 8; }

}  // namespace moesaic
