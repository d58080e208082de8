#include "calibrate/profile_shelf.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/catalog.hpp"
#include "base/error.hpp"

namespace moesaic {

double device_distance(const KernelMachine& a, const KernelMachine& b) {
  const auto difference = [](double x, double y) { return x > 0 && y > 0 ? std::abs(std::log(x / y)) : 0.0; };
  const auto bf16 = static_cast<std::size_t>(DType::bf16), fp8 = static_cast<std::size_t>(DType::fp8);
  // Kernels are written for an instruction set: one that was written for another is no guide, however alike the rates.
  constexpr double kOtherInstructions = 3;
  const bool others =
      a.compute_capability > 0 && b.compute_capability > 0 && a.compute_capability != b.compute_capability;
  return (others ? kOtherInstructions : 0) + difference(a.seconds_per_flop[bf16], b.seconds_per_flop[bf16]) +
         difference(a.seconds_per_flop[fp8] / a.seconds_per_flop[bf16],
                    b.seconds_per_flop[fp8] / b.seconds_per_flop[bf16]) +
         difference(a.seconds_per_byte, b.seconds_per_byte) +
         0.5 * difference(a.link_seconds_per_byte, b.link_seconds_per_byte);
}

std::string engine_of(const std::string& stack) { return stack.substr(0, stack.find('-')); }

KernelMachine machine_figures(const Machine& machine) {
  KernelMachine figures = kernel_machine(view_machine(machine, 1));
  if (const auto network = machine.network ? machine.network : usual_network(machine.device.name)) {
    figures.network_seconds_per_byte = 1 / network->bandwidth.value;
  }
  return figures;
}

KernelMachine device_figures(const std::string& device) {
  return machine_figures(read_machine(load_machine_config(device)));
}

ProfileShelf::ProfileShelf(std::vector<Profile> profiles) {
  // Newer versions of one engine first; names of versions compare well enough as text.
  std::stable_sort(profiles.begin(), profiles.end(),
                   [](const Profile& a, const Profile& b) { return a.stack > b.stack; });
  for (const Profile& profile : profiles) {
    try {
      figures_.push_back(device_figures(profile.device));
    } catch (const UserError&) {
      figures_.push_back({});  // of a machine of the user's own: near to itself alone
    }
  }
  profiles_ = std::make_shared<const std::vector<Profile>>(std::move(profiles));
}

ShelvedSurface ProfileShelf::find(const std::string& device, const KernelMachine& figures, const std::string& stack,
                                  Family family, std::string_view dtype, std::string_view kv_dtype,
                                  std::string_view kernel, bool several_nodes) const {
  ShelvedSurface best;
  double least = std::numeric_limits<double>::infinity();
  const std::string_view operation = kernel.substr(0, kernel.find('/'));
  for (std::size_t i = 0; i < profiles_->size(); ++i) {
    const Profile& profile = (*profiles_)[i];
    const KernelSurface* surface = profile.find(family, dtype, kv_dtype, kernel);
    if (surface == nullptr ||
        (!operation.empty() && surface->kernel.substr(0, surface->kernel.find('/')) != operation &&
         (family == Family::collective || family == Family::expert_exchange || family == Family::mla_bmm ||
          family == Family::elementwise)) ||
        (several_nodes && surface->most[kExchangeNodes] < 2)) {
      continue;
    }
    const bool own = profile.device == device;
    const double stacks = profile.stack == stack ? 0 : engine_of(profile.stack) == engine_of(stack) ? 1 : 2;
    const double kernels = surface->kernel == kernel ? 0 : 0.5;
    const double rank = (own ? 0 : 1000 * (1 + device_distance(figures, figures_[i]))) + stacks + kernels;
    if (rank < least) {
      least = rank;
      best = {&profile, surface, !own};
    }
  }
  return best;
}

}  // namespace moesaic
