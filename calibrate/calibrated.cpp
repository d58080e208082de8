// Measured kernel times as a cost model: the device's own profiles, or a sibling's at this device's figures.
#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <set>

#include "base/catalog.hpp"
#include "base/error.hpp"
#include "calibrate/cost_model.hpp"
#include "calibrate/profile_shelf.hpp"
#include "calibrate/task_kernel.hpp"

namespace moesaic {
namespace {

constexpr std::size_t kMostOperations = 8;

/// Formats to try when a stack has no measurement in the one wanted: the kernels that are built most alike.
constexpr std::string_view nearest_format(std::string_view format) {
  return format == "fp8-block"     ? "fp8"
         : format == "fp8"         ? "fp8-block"
         : format == "mxfp4-mxfp8" ? "nvfp4"
         : format == "int8-wo"     ? "int4-wo"
         : format == "int8"        ? "fp8"
                                   : "bf16";
}

class Calibrated final : public CostModel {
 public:
  Calibrated(ProfileShelf shelf, std::string device, std::string stack, CostModelPointer fallback)
      : shelf_(std::move(shelf)), device_(std::move(device)), stack_(std::move(stack)), fallback_(std::move(fallback)) {
    const std::vector<Software> shipped = shipped_software();
    const Software* engine = find_software(shipped, engine_of(stack_));
    software_ = engine != nullptr ? engine->on(device_) : fallback_->software();
    const KernelMachine figures = device_figures_of(device_);
    for (std::size_t family = 0; family < kFamilyCount; ++family) {
      const auto operations = kernel_operations(static_cast<Family>(family));
      for (std::size_t format = 0; format < kProductFormatCount; ++format) {
        for (std::size_t cache = 0; cache < kCacheFormatCount; ++cache) {
          for (std::size_t operation = 0; operation < operations.size(); ++operation) {
            resolve(figures, static_cast<Family>(family), format, cache, operation, operations[operation]);
          }
        }
      }
    }
  }

  Estimate cost(const Task& task, const MachineView& view) const override {
    const auto [kernel, chosen] = choose(task, view);
    if (chosen == nullptr || chosen->surface == nullptr) {
      return fallback_->cost(task, view);
    }
    const KernelSetting setting{kernel->family, chosen->formats, chosen->surface->kernel, kernel_machine(view)};
    const KernelPoint point = kernel_point(setting, *kernel);
    // Between two steps all weights and caches pass through the last-level cache: nothing is found there.
    double predicted = chosen->surface->seconds(point, kernel->shape, 0);
    for (const Alternative& other : chosen->others) {
      const KernelSetting theirs{kernel->family, other.formats, other.surface->kernel, setting.machine};
      predicted = std::min(predicted, other.surface->seconds(kernel_point(theirs, *kernel), kernel->shape, 0));
    }
    const double peak = peak_seconds(task, view).value;
    const double total = std::max(predicted * kernel->times, peak);
    const double latency = std::min(chosen->surface->core.fixed, total - peak);
    return no_faster_than_attained({Seconds{latency}, Seconds{total - latency}}, task, view);
  }

  double spread(const Task& task, const MachineView& view) const override {
    const auto [kernel, chosen] = choose(task, view);
    if (chosen == nullptr || chosen->surface == nullptr) {
      return fallback_->spread(task, view);
    }
    const KernelSetting setting{kernel->family, chosen->formats, chosen->surface->kernel, kernel_machine(view)};
    KernelEstimate estimate = chosen->surface->estimate(kernel_point(setting, *kernel), kernel->shape, 0);
    if (chosen->borrowed) {
      estimate = widen_borrowed(estimate);
    }
    constexpr double kNormal90 = 1.6449;  // standard deviations that hold nine of ten
    return estimate.half90 / kNormal90;
  }

  double multiprocessors(const Task& task) const override { return fallback_->multiprocessors(task); }
  /// Products of experts in the format that most profiles have.
  Attained attained(const MachineView& view) const override {
    static_assert(kProductFormats[0] == "bf16");
    Attained attained = fallback_->attained(view);
    const std::size_t family = static_cast<std::size_t>(Family::moe);
    if (const KernelSurface* experts = chosen_[index(family, 0, 0, 0)].surface) {
      attained.device_compute = std::min(1.0, experts->core.compute_fraction);
      attained.device_memory = std::min(1.0, experts->core.memory_fraction);
    }
    return attained;
  }
  SoftwareTerms software() const override { return software_; }
  double reserve_fraction() const override { return fallback_->reserve_fraction(); }
  std::string name() const override {
    const std::string& measured = shelf_.profiles().front().device;
    return measured == device_ ? stack_ + " as measured on " + device_
                               : stack_ + " borrowed from " + measured + ", scaled by peak rates";
  }

 private:
  struct Alternative {
    const KernelSurface* surface = nullptr;
    KernelFormats formats;
  };
  struct Chosen {
    const KernelSurface* surface = nullptr;
    /// Engines take the fastest where they have several: their own all-reduce or NCCL's, this or that fused MoE.
    std::vector<Alternative> others;
    KernelFormats formats;
    bool borrowed = false;
  };

  static KernelMachine device_figures_of(const std::string& device) {
    try {
      return device_figures(device);
    } catch (const UserError&) {
      return {};  // a machine of the user's own
    }
  }

  static std::size_t index(std::size_t family, std::size_t format, std::size_t cache, std::size_t operation) {
    return ((family * kProductFormatCount + format) * kCacheFormatCount + cache) * kMostOperations + operation;
  }

  struct ChosenKernel {
    std::optional<TaskKernel> kernel;
    const Chosen* chosen = nullptr;
  };
  ChosenKernel choose(const Task& task, const MachineView& view) const {
    if (task.unit > 0 && task.unit < view.device_units) {
      return {};  // a unit near memory is no GPU, whose kernels were measured
    }
    ChosenKernel result{task_kernel(task, view)};
    result.chosen = result.kernel ? &slot(*result.kernel) : nullptr;
    if (result.chosen != nullptr && result.chosen->surface == nullptr && result.kernel->family == Family::wide_ep_moe) {
      result.kernel = task_kernel(task, view, false);
      result.chosen = result.kernel ? &slot(*result.kernel) : nullptr;
    }
    return result;
  }

  const Chosen& slot(const TaskKernel& kernel) const {
    return chosen_[index(static_cast<std::size_t>(kernel.family), kernel.format, kernel.cache, kernel.kernel)];
  }

  /// The profile's other kernels that do the same, for experts with a gate.
  static std::vector<Alternative> others_gated(const Profile& profile, const KernelSurface& first) {
    std::vector<Alternative> others;
    for (const KernelSurface& surface : profile.surfaces) {
      // Where the device multiplies 4-bit weights by 8-bit activations, engines quantise the activations of mxfp4
      // experts.
      const bool alike = surface.dtype == first.dtype || (first.dtype == "mxfp4" && surface.dtype == "mxfp4-mxfp8");
      if (&surface != &first && surface.family == first.family && alike &&
          surface.kernel.find("nongated") == std::string::npos) {
        others.push_back({&surface, kernel_formats(surface.dtype, "")});
      }
    }
    return others;
  }

  void resolve(const KernelMachine& figures, Family family, std::size_t format, std::size_t cache,
               std::size_t operation, std::string_view name) {
    Chosen& slot = chosen_[index(static_cast<std::size_t>(family), format, cache, operation)];
    slot.formats = kernel_formats(kProductFormats[format], kCacheFormats[cache]);
    std::string_view wanted = kProductFormats[format];
    const Profile* profile = nullptr;
    for (int attempt = 0; attempt < 3 && slot.surface == nullptr; ++attempt) {
      // NCCL is measured in half precision, whose messages are those of bf16.
      for (const std::string_view alias : {wanted, wanted == "bf16" ? std::string_view("fp16") : wanted}) {
        const bool several_nodes = family == Family::expert_exchange && operation >= kMostOperations / 2;
        const ShelvedSurface found =
            shelf_.find(device_, figures, stack_, family, alias, kCacheFormats[cache], name, several_nodes);
        if (found.surface != nullptr) {
          slot.surface = found.surface;
          profile = found.profile;
          slot.borrowed = found.borrowed || attempt > 0;
          break;
        }
      }
      wanted = nearest_format(wanted);
    }
    if (family == Family::collective && slot.surface != nullptr && slot.surface->kernel != name) {
      const auto library = shelf_.find(device_, figures, "nccl", family, "fp16", "", name);
      if (library.surface != nullptr) {
        slot.others.push_back({library.surface, slot.formats});
      }
    }
    if (family == Family::moe && profile != nullptr) {
      slot.others = others_gated(*profile, *slot.surface);
    }
  }

  ProfileShelf shelf_;
  std::string device_;
  std::string stack_;
  CostModelPointer fallback_;
  SoftwareTerms software_;
  std::array<Chosen, kFamilyCount * kProductFormatCount * kCacheFormatCount * kMostOperations> chosen_;
};

/// Of the profiles' names "device/stack" (the catalog writes "--" as "/").
struct ProfileName {
  std::string device;
  std::string stack;
  std::string file;
};

std::vector<ProfileName> kernel_profiles() {
  std::vector<ProfileName> names;
  for (const CatalogEntry& entry : list_catalog("profiles")) {
    if (const auto slash = entry.name.find('/'); slash != std::string::npos) {
      names.push_back({entry.name.substr(0, slash), entry.name.substr(slash + 1), entry.file.string()});
    }
  }
  return names;
}

bool is_library(const std::string& stack) { return stack.starts_with("nccl") || stack.starts_with("deepep"); }

/// The figures by which a device finds its sibling: the catalog's own where it is one of the catalog's, so that a
/// what-if of it keeps the sibling, and only the figure asked about changes.
KernelMachine sibling_figures(const Machine& machine) {
  const std::vector<CatalogEntry> catalog = list_catalog("machines");
  const bool known = std::any_of(catalog.begin(), catalog.end(),
                                 [&](const CatalogEntry& entry) { return entry.name == machine.device.name; });
  return known ? device_figures(machine.device.name) : machine_figures(machine);
}

/// The measured device whose figures are nearest to the machine's.
std::string nearest_device(const std::vector<ProfileName>& profiles, const Machine& machine) {
  std::string best;
  double least = 1e300;
  const KernelMachine wanted = sibling_figures(machine);
  std::set<std::string> seen;
  for (const ProfileName& profile : profiles) {
    if (is_library(profile.stack) || !seen.insert(profile.device).second) {
      continue;
    }
    const double far =
        profile.device == machine.device.name ? -1 : device_distance(wanted, device_figures(profile.device));
    if (far < least) {
      least = far;
      best = profile.device;
    }
  }
  return best;
}

}  // namespace

CostModelPointer calibrated_cost_model(std::vector<Profile> profiles, const std::string& device,
                                       const std::string& stack) {
  return std::make_shared<Calibrated>(ProfileShelf(std::move(profiles)), device, stack, default_cost_model());
}

CostModelPointer measured_cost_model(const Machine& machine, const std::string& stack) {
  if (machine.device.units[0].name != "gpu") {
    return nullptr;  // all shipped profiles are of GPUs
  }
  const std::vector<ProfileName> names = kernel_profiles();
  const std::string device = nearest_device(names, machine);
  // The stack asked for, else vLLM, else whichever; the newest version of it.
  std::string chosen;
  const auto consider = [&](std::string_view prefix) {
    for (const ProfileName& name : names) {
      if (name.device == device && !is_library(name.stack) && name.stack.starts_with(prefix) && name.stack > chosen) {
        chosen = name.stack;
      }
    }
    return !chosen.empty();
  };
  if (device.empty() ||
      !((!stack.empty() && consider(stack)) || (stack.empty() && (consider("vllm") || consider(""))))) {
    return nullptr;
  }
  std::vector<Profile> profiles;
  // What the stack's own measurements lack is taken from the newest of each other engine's on the device.
  std::map<std::string, const ProfileName*> newest;
  for (const ProfileName& name : names) {
    if (name.device == device) {
      // Versions of DeepEP were measured on different numbers of nodes, and kernels of wide expert groups with an older
      // SGLang only: where nodes are many, all of them.
      const bool every = machine.nodes > 1 || name.stack.starts_with("deepep");
      const ProfileName*& best = newest[every ? name.stack : engine_of(name.stack)];
      best =
          best == nullptr || (name.stack > best->stack && best->stack != chosen) || name.stack == chosen ? &name : best;
    }
  }
  profiles.reserve(newest.size());
  for (const auto& [engine, name] : newest) {
    profiles.push_back(read_profile(Config::load(name->file)));
  }
  return calibrated_cost_model(std::move(profiles), machine.device.name, chosen);
}

}  // namespace moesaic
