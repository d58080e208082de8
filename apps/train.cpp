#include "apps/train.hpp"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <string_view>

#include "apps/options.hpp"
#include "apps/output.hpp"
#include "apps/scenario.hpp"
#include "base/error.hpp"
#include "base/nearest.hpp"
#include "model/mapping_text.hpp"
#include "model/precision.hpp"
#include "reports/training.hpp"

namespace moesaic {
namespace {

constexpr std::int64_t kMostTrainingDevices = 1 << 20;
constexpr double kMostCapacity = 1000;

/// Whether the mapping's text gives a key.
bool gives(std::string_view map, std::string_view key) {
  while (!map.empty()) {
    const std::string_view item = map.substr(0, map.find(','));
    if (item.substr(0, item.find('=')) == key) {
      return true;
    }
    map.remove_prefix(std::min(map.size(), item.size() + 1));
  }
  return false;
}

std::optional<int> devices_of(const TrainOptions& options, const Machine& machine) {
  if (options.devices < 0 || options.devices > kMostTrainingDevices) {
    throw UserError(
        fmt::format("--devices: {} is not a whole number from 1 to {}", options.devices, kMostTrainingDevices));
  }
  if (options.devices > 0) {
    return static_cast<int>(options.devices);
  }
  return options.map.empty() || !gives(options.map, "dp") ? std::optional<int>(machine.devices) : std::nullopt;
}

bool parse_unfused(const std::string& text) {
  const std::vector<std::string> names = {"fused", "unfused"};
  if (text != names[0] && text != names[1]) {
    throw UserError("--attention: unknown choice '" + printable(text) + "'" + suggest(text, names));
  }
  return text == names[1];
}

}  // namespace

Training training_of(const TrainOptions& options) {
  if (!(options.capacity_factor >= 0) || options.capacity_factor > kMostCapacity) {
    throw UserError(fmt::format("--capacity-factor: must be 0 (dropless) or a number up to {}, found {}", kMostCapacity,
                                options.capacity_factor));
  }
  return {.global_batch = options.global_batch,
          .micro_batch = options.micro_batch,
          .sequence = options.sequence,
          .recompute = parse_recompute(options.recompute),
          .zero = parse_zero(options.zero),
          .schedule = parse_pipeline_schedule(options.schedule),
          .unfused_attention = parse_unfused(options.attention),
          .capacity_factor = options.capacity_factor,
          .overlap_gradients = !options.no_overlap,
          .overlap_weights = !options.no_overlap};
}

Mapping training_mapping(const std::string& map, std::optional<int> devices, const Architecture& architecture) {
  Mapping mapping = parse_mapping_of(architecture, map, devices, FreeDegree::data);
  if (!gives(map, "sp")) {
    mapping.sequence = mapping.tensor > 1;
  }
  if (has_experts(architecture) && !gives(map, "etp")) {
    mapping.expert_slices = mapping.tensor;
    if (mapping.stage_devices() % (mapping.expert * mapping.expert_slices) != 0) {
      throw UserError(fmt::format(
          "--map: ep={} groups of experts, each cut tp={} ways, do not divide the {} devices of a stage; for example "
          "with etp=1",
          mapping.expert, mapping.tensor, mapping.stage_devices()));
    }
  }
  return mapping;
}

TrainingPredictor make_training_predictor(const TrainOptions& options) {
  Config model = load_model_config(options.model);
  Config machine = load_machine_config(options.machine);
  const CostModelPointer cost = load_cost_model(options.profile, read_machine(machine));
  for (const std::string& text : options.sets) {
    apply_setting(text, model, machine);
  }
  // A single device's name stands for as many of them as its scale-up domain joins.
  if (options.devices > 1 && machine.at("devices").integer() == 1 && !machine.has("nodes")) {
    machine = machine.set("devices", std::to_string(options.devices));
  }
  // Whatever a checkpoint is stored in, it is trained in 16 bits unless told otherwise.
  return {read_architecture(model), parse_precision(options.dtype, Precision{}), read_machine(machine), cost,
          options.routing};
}

CLI::App* add_train_command(CLI::App& app, TrainOptions& options) {
  CLI::App* command = app.add_subcommand("train", "One training step: does it fit, how long is it, where does it go");
  const auto text = [command](const char* option, std::string& value, const char* what, const char* type) {
    return command->add_option(option, value, what)->type_name(type);
  };
  const auto whole = [command](const char* option, std::int64_t& value, const char* what) {
    command->add_option(option, value, what)->type_name("N");
  };
  text("--model", options.model, "Model: a preset's name or part of it, or a Hugging Face config.json", "NAME|FILE")
      ->required();
  text("--machine", options.machine, "Machine: a cluster's or node's name or part of it, or a JSON file", "NAME|FILE")
      ->required();
  whole("--devices", options.devices, "Devices (default: by --map, else those of one node)");
  text("--map", options.map,
       "Mapping: tp (tensor), cp (context), pp (pipeline), vpp (runs of layers a stage), ep (expert), etp (expert "
       "tensor; default tp), sp (0 or 1; default 1 with tp), dp (data; default what is left)",
       "tp=2,pp=8,ep=4");
  text("--dtype", options.dtype, "Formats by class as predict takes them; products in fp8: weights=fp8 (default bf16)",
       "weights=fp8");
  whole("--global-batch", options.global_batch, "Sequences of a step (default 256)");
  whole("--micro-batch", options.micro_batch, "Sequences that a replica works on at once (default 1)");
  whole("--sequence", options.sequence, "Tokens of a sequence (default 4096)");
  text("--recompute", options.recompute, "What is computed again instead of kept: none (default), selective, full",
       "WHAT");
  text("--zero", options.zero,
       "What data-parallel ranks divide: 0 nothing, 1 optimizer states (default), 2 gradients too, 3 weights too",
       "STAGE");
  text("--schedule", options.schedule, "Of the pipeline: gpipe, 1f1b (default), interleaved, zero-bubble, dualpipe",
       "NAME");
  text("--attention", options.attention, "fused (default), or unfused: scores written to memory", "WAY");
  command
      ->add_option("--capacity-factor", options.capacity_factor,
                   "Rows that an expert takes at most, of the even share (default 0: dropless)")
      ->type_name("F");
  command->add_flag("--no-overlap", options.no_overlap,
                    "Gradients and weights are communicated after and before all computation, not beside it");
  text("--routing", options.routing, "Expert routing: uniform (default), even, zipf:EXPONENT, or a JSON file",
       "ROUTING");
  text("--profile", options.profile, "Cost of kernels, as predict takes it (default measured)", "NAME|FILE");
  command->add_option("--set", options.sets, "What-if, as predict takes it. May be repeated")->type_name("PATH=VALUE");
  add_output_options(*command, options.format, options.output_file, {"text", "json"});
  command->footer(
      "Example:\n  moesaic train --model Mixtral-8x22B-v0.1 --machine eos --devices 128 --map tp=2,pp=8,ep=4");
  return command;
}

void run_train(const TrainOptions& options, const Console& console) {
  check_output("-o", options.output_file);
  const Training training = training_of(options);
  const TrainingPredictor predictor = make_training_predictor(options);
  const Mapping mapping =
      training_mapping(options.map, devices_of(options, predictor.machine()), predictor.architecture());
  TrainingReport report{.model = predictor.architecture().name,
                        .machine = predictor.machine().name,
                        .precision = to_text(predictor.precision()),
                        .cost_model = predictor.cost().name(),
                        .mapping = mapping,
                        .training = training,
                        .prediction = predictor.predict(mapping, training)};
  if (!report.prediction.memory.fits()) {
    report.advice = training_advice(predictor, mapping, training);
  }
  const bool rich = console.rich && options.output_file.empty();
  write_result(options.format == "json" ? training_json(report) : training_text(report, {.rich = rich}),
               options.output_file, console.out);
}

}  // namespace moesaic
