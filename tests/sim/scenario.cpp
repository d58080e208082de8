#include "tests/sim/scenario.hpp"

#include <fmt/format.h>
#include <rapidcheck.h>

#include <algorithm>
#include <cmath>

#include "base/catalog.hpp"
#include "hw/figures.hpp"
#include "tests/model/replicas.hpp"

namespace moesaic {
namespace {

template <class T>
T any_of(std::initializer_list<T> values) {
  return *rc::gen::elementOf(std::vector<T>(values));
}

bool coin() { return *rc::gen::arbitrary<bool>(); }

std::int64_t up_to(std::int64_t most) { return *rc::gen::inRange<std::int64_t>(1, most + 1); }

SoftmaxAttention any_softmax() {
  SoftmaxAttention attention;
  attention.heads = any_of<std::int64_t>({8, 16, 32, 64});
  attention.kv_heads = any_of<std::int64_t>({1, 2, 4, 8});
  attention.qk_dim = any_of<std::int64_t>({64, 128, 192});
  attention.v_dim = any_of<std::int64_t>({64, 128});
  attention.window = any_of<std::int64_t>({0, 0, 128, 500, 4096});
  attention.chunked = coin();
  attention.output_gate = coin();
  if (up_to(5) == 1) {
    attention.experts = 8;
    attention.experts_per_token = 2;
  }
  return attention;
}

Attention any_attention() {
  switch (up_to(6)) {
    case 1:
    case 2:
      return any_softmax();
    case 3:
    case 4:
      return LatentAttention{.heads = any_of<std::int64_t>({16, 64, 128}),
                             .q_rank = any_of<std::int64_t>({0, 1536}),
                             .kv_rank = 512,
                             .nope_dim = 128,
                             .rope_dim = 64,
                             .v_dim = 128,
                             .indexer = {.heads = 32, .dim = 128, .top_k = any_of<std::int64_t>({0, 256, 2048})}};
    case 5:
      return LightningAttention{.heads = any_of<std::int64_t>({16, 64}), .head_dim = 128};
    default:
      return GatedDeltaNet{.key_heads = 16, .value_heads = 32, .key_dim = 128, .value_dim = 128, .conv_kernel = 4};
  }
}

FeedForward any_feed_forward() {
  const int matrices = any_of({2, 3});
  if (up_to(3) == 1) {
    return DenseFeedForward{.width = 256 * up_to(100), .matrices = matrices};
  }
  MoeFeedForward moe;
  moe.experts = any_of<std::int64_t>({8, 16, 64, 128});
  moe.experts_per_token = up_to(8);
  moe.width = 256 * up_to(40);
  moe.matrices = matrices;
  moe.shared_width = any_of<std::int64_t>({0, 1024});
  moe.shared_gate = coin();
  return moe;
}

Architecture any_architecture() {
  Architecture architecture;
  architecture.name = "random";
  architecture.hidden = 256 * up_to(30);
  architecture.vocabulary = 1000 * up_to(150);
  architecture.tied_embeddings = coin();
  architecture.learned_positions = any_of<std::int64_t>({0, 0, 2048});
  const auto kinds = up_to(3);
  for (std::int64_t i = 0; i < kinds; ++i) {
    architecture.kinds.push_back({any_attention(), any_feed_forward()});
  }
  const auto layers = up_to(8);
  for (std::int64_t i = 0; i < layers; ++i) {
    architecture.layers.push_back(static_cast<int>(i % kinds));
  }
  architecture.blocks = fold_layers(architecture.layers);
  Precision& precision = architecture.precision;
  precision =
      with_weights(precision, parse_storage_type(any_of<std::string>({"bf16", "fp8", "fp8-block", "int4", "mxfp4"})));
  precision.kv = parse_storage_type(any_of<std::string>({"bf16", "fp8"}));
  return architecture;
}

Machine any_machine(bool any_figures, const char* only = nullptr) {
  Machine machine = machine_named(
      only != nullptr ? only
                      : any_of<std::string>({"dgx-h100", "dgx-h200", "mi300x-8", "l40s-8-pcie", "gb200-nvl72",
                                             "rtx-4090", "xeon-8380-a40", "duplex-4", "tpu-v6e"}));
  if (any_figures) {
    for (const HardwareFigure& figure : hardware_figures(machine)) {
      machine = scale_figure(machine, figure.path, std::exp2(static_cast<double>(up_to(17) - 9) / 4));
    }
  }
  return machine;
}

Mapping any_mapping(const Architecture& architecture, const Machine& machine) {
  std::vector<Mapping> valid;
  for (int tensor = 1; tensor <= std::min(machine.devices, 16); tensor *= 2) {
    for (int data = 1; tensor * data <= std::min(machine.devices, 16); data *= 2) {
      for (int expert = 1; expert <= tensor * data; expert *= 2) {
        try {
          check_mapping(architecture, {tensor, data, expert}, machine);
          valid.push_back({tensor, data, expert});
        } catch (const UserError&) {
          continue;
        }
      }
    }
  }
  return *rc::gen::elementOf(valid);
}

CostModelPointer any_cost() {
  switch (up_to(3)) {
    case 1:
      return roofline_cost_model();
    case 2:
      return load_cost_model();
    default:
      return scaled_profile(static_cast<double>(up_to(40)) / 20, static_cast<double>(up_to(20)),
                            Seconds{static_cast<double>(up_to(1000)) * 1e-6});
  }
}

/// Room for all weights, and for a tenth to a little more than all of what grows with the load.
Machine with_tight_memory(const Deployment& deployed, const Load& load) {
  Machine machine = deployed.plan.machine();
  const double share = static_cast<double>(up_to(20)) / 18;
  const auto tight = [&](const MemoryFootprint& needed) {
    return needed.weights + needed.buffers + (needed.kv + needed.state + needed.activations) * share;
  };
  const ReplicaMemory needed =
      replica_memory(deployed.plan, Predictor(deployed).memory_load(load, static_cast<double>(load.batch)));
  machine.device.memory.capacity = tight(needed.device) / (1 - deployed.cost->reserve_fraction());
  if (machine.host && needed.host.total() > Bytes{0}) {
    machine.host->memory.capacity = tight(needed.host);
  }
  return machine;
}

}  // namespace

Scenario any_scenario(const Range& range) {
  const Architecture architecture = any_architecture();
  const auto placement = range.any_placement ? any_of<std::string>({"resident", "resident", "two-unit", "streamed"})
                                             : std::string("resident");
  const char* only = placement == "two-unit"   ? any_of<const char*>({"duplex-4", "duplex"})
                     : placement == "streamed" ? any_of<const char*>({"xeon-8380-a40", "desktop-4090", "dgx-h100"})
                                               : nullptr;
  const Machine machine = any_machine(range.any_figures, only);
  const Mapping mapping = any_mapping(architecture, machine);
  const auto routing = any_of<std::string>({"uniform", "uniform", "zipf:0.5", "zipf:1.2"});
  const Load load{.batch = up_to(range.most_batch),
                  .input = up_to(5000),
                  .output = up_to(range.most_output),
                  .step_tokens = any_of<std::int64_t>({100, 1000, 8192})};
  const CostModelPointer cost = range.any_cost ? any_cost() : roofline_cost_model();
  std::string text = fmt::format("{} layers of {} kinds, {} on {}, {}, {}, batch {}, {} in, {} out, steps of {}",
                                 architecture.layers.size(), architecture.kinds.size(), placement, machine.name,
                                 to_text(mapping), routing, load.batch, load.input, load.output, load.step_tokens);
  Deployment deployed{
      StepPlan(architecture, architecture.precision, machine, mapping, make_placement(placement), routing), cost};
  if (range.any_figures && up_to(2) == 1) {
    deployed.plan = deployed.plan.on(with_tight_memory(deployed, load));
  }
  return {std::move(deployed), load, std::move(text)};
}

Deployment deployment(const std::string& model, const std::string& machine, const Mapping& mapping,
                      const std::string& placement, const CostModelPointer& cost) {
  const Architecture architecture = preset(model);
  Machine on = machine_named(machine);
  on.devices = std::max(on.devices, mapping.devices());
  return {StepPlan(architecture, architecture.precision, on, mapping, make_placement(placement)), cost};
}

CostModelPointer scaled_profile(double fractions, double launches, Seconds step_overhead) {
  Config profile = Config::load(find_in_catalog("profiles", "profile", "default").file);
  const auto scale = [&](const std::string& path, const Config& value, double factor, double most) {
    profile = profile.set(path, fmt::format("{}", std::min(most, value.number() * factor)));
  };
  const Config original = profile;
  for (const std::string& kind : original.at("kernels").keys()) {
    const Config kernel = original.at("kernels").at(kind);
    scale("kernels." + kind + ".compute", kernel.at("compute"), fractions, 1);
    scale("kernels." + kind + ".memory", kernel.at("memory"), fractions, 1);
    scale("kernels." + kind + ".launches", kernel.at("launches"), launches, 1e9);
  }
  profile = profile.set("step_overhead", fmt::format("{} s", step_overhead.value));
  return efficiency_cost_model(profile);
}

}  // namespace moesaic
