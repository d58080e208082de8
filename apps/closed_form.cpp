#include "apps/closed_form.hpp"

#include <fmt/format.h>

#include <CLI/CLI.hpp>

#include "apps/closed_forms.hpp"
#include "apps/options.hpp"

namespace moesaic {
namespace {

struct Figure {
  const char* key;
  const char* type;
  const char* help;
};
struct Group {
  const char* name;
  std::vector<Figure> figures;
};

const std::vector<Group>& groups() {
  static const std::vector<Group> kGroups = {
      {"Model",
       {{"model", "NAME|FILE",
         "A model whose layers are all alike; the others of this group change it, or stand for it"},
        {"layers", "N", "Layers; of pre-gated, ring-memory and expert-misses those with experts"},
        {"hidden", "N", "Hidden size"},
        {"heads", "N", "Query heads"},
        {"kv-heads", "N", "Key and value heads (default: as many as heads)"},
        {"head-dim", "N", "Elements of a head (default: hidden / heads)"},
        {"width", "N", "Width of an expert, or of the dense feed-forward network"},
        {"experts", "N", "Experts of a layer (default 1)"},
        {"top-k", "N", "Experts that a token uses (default 1)"},
        {"matrices", "N", "Of an expert: 3 gated (default), 2 plain"},
        {"weights", "BYTES", "All weights, where a paper's figure is not the model's own"},
        {"expert-bytes", "BYTES", "One expert"},
        {"layer-bytes", "BYTES", "Experts of one layer"},
        {"other-weights", "BYTES", "All that is no expert"}}},
      {"Machine",
       {{"link", "B/S", "From CPU memory to GPU memory"},
        {"compute", "FLOP/S", "GPU"},
        {"cpu-compute", "FLOP/S", "CPU"},
        {"gpu-bandwidth", "B/S", "GPU memory"},
        {"cpu-bandwidth", "B/S", "CPU memory"},
        {"gpu-memory", "BYTES", "Of all GPUs"},
        {"cpu-memory", "BYTES", "Of the CPU"},
        {"gpu-share", "SHARE", "Of GPU memory that may be filled (default 0.86)"},
        {"cpu-share", "SHARE", "Of CPU memory that may be filled (default 0.8)"},
        {"devices", "N", "GPUs, tensor parallel (default 1)"},
        {"disk", "B/S", "Reads from disk"}}},
      {"Load",
       {{"prompt", "TOKENS", "Of a sequence"},
        {"generated", "TOKENS", "Of a sequence"},
        {"tokens", "N", "Processed together in one pass"},
        {"length", "TOKENS", "Of the sequences whose KV cache is asked for"},
        {"requests", "N", "Of a finite batch"},
        {"kv", "BYTES", "KV cache in CPU memory"},
        {"block", "TOKENS", "Of a KV block (default 1)"},
        {"gpu-rate", "TOKENS/S", "Most that the GPU processes"},
        {"gpu-tokens", "N", "Or: tokens that take the GPU as long as all weights take the link"},
        {"intensity", "FLOP/B", "On the bytes touched in GPU memory"},
        {"cpu-intensity", "FLOP/B", "On the bytes touched in CPU memory"},
        {"counting", "NAME", "decimal (default), or paper: units as in MoE-Lens's Table 2"}}},
      {"Policy",
       {{"micro-batch", "N", "Sequences of a micro-batch"},
        {"micro-batches", "N", "Micro-batches that share one pass over the weights"},
        {"micro-batches-tried", "NAME", "Sizes that a search tries: authors (1 to 4, then every 32nd) or every"},
        {"resident", "SHARE", "Of experts on the GPU (default: the best that fits)"},
        {"weights-on", "GPU,CPU", "Percents; the rest is on disk"},
        {"kv-on", "GPU,CPU", "Percents; the rest is on disk"},
        {"activations-on", "GPU,CPU", "Percents; the rest is on disk"}}},
      {"Fetching",
       {{"active", "N", "Distinct experts that a pass uses of a layer (default: expected for --tokens and --top-k)"},
        {"other-time", "TIME", "Of a block beside gate and experts"},
        {"gate-time", "TIME", "Of a block's gate"},
        {"expert-time", "TIME", "Of a block's experts"},
        {"slots", "N", "Layers that the ring holds"},
        {"passes", "N", "Over all layers (default 1)"},
        {"load-time", "TIME", "Of a layer"},
        {"compute-time", "TIME", "Of a layer"},
        {"cpu-time", "TIME", "On the CPU"},
        {"gpu-time", "TIME", "On the GPU"},
        {"copy-time", "TIME", "Of the KV cache to the GPU"},
        {"share", "SHARE", "Of attention on the CPU"},
        {"to-gpu", "BYTES", "Copied to the GPU"},
        {"to-cpu", "BYTES", "Copied to the CPU"},
        {"cpu-traffic", "BYTES", "Of the CPU's own work in its memory"},
        {"hit", "SHARE", "Of experts that are on the GPU already"},
        {"window", "TIME", "Of a layer's fetches that is hidden"},
        {"resident-time", "TIME", "Of a token with all experts on the GPU"}}}};
  return kGroups;
}

std::string form_list() {
  std::string text;
  for (const ClosedForm& form : closed_forms()) {
    text += fmt::format("{:<16} {}\n", form.name, form.about);
  }
  return text;
}

}  // namespace

CLI::App* add_closed_form_command(CLI::App& app, ClosedFormOptions& options) {
  CLI::App* command = app.add_subcommand("closed-form", "Published equations of offloading systems, evaluated");
  command->add_option("--form,form", options.form, "Which one (--list)")->type_name("FORM");
  command->add_flag("--list", options.list, "The forms");
  for (const Group& group : groups()) {
    for (const Figure& figure : group.figures) {
      command->add_option(std::string("--") + figure.key, options.figures[figure.key], figure.help)
          ->type_name(figure.type)
          ->group(group.name);
    }
  }
  command->add_flag("--gpu-attention", options.gpu_attention, "Decode attention on the GPU")->group("Policy");
  command->add_flag("--compressed", options.compressed, "Weights in 4 bits")->group("Policy");
  add_output_options(*command, options.format, options.output_file, {"text", "json"});
  command->footer(
      "A form takes some of the figures; those it needs and does not get are named (docs/offload.md).\n"
      "Example:\n  moesaic closed-form moe-lens --model Mixtral-8x7B --compute 150TFLOP/s --link 32GB/s --length 512");
  return command;
}

std::string closed_form_result(const ClosedFormOptions& options, bool rich) {
  if (options.list) {
    return form_list();
  }
  if (options.form.empty()) {
    throw UserError("closed-form needs the name of a form; moesaic closed-form --list shows them");
  }
  const ClosedForm& form = find_closed_form(options.form);
  std::map<std::string, std::string> given;
  for (const auto& [key, text] : options.figures) {
    if (!text.empty()) {
      given[key] = text;
    }
  }
  if (options.gpu_attention) {
    given["gpu-attention"] = "yes";
  }
  if (options.compressed) {
    given["compressed"] = "yes";
  }
  const ClosedFormInput input(options.form, given);
  const ClosedFormReport report = form.evaluate(input);
  input.reject_unused();
  return options.format == "json" ? closed_form_json(report) : closed_form_text(report, {.rich = rich});
}

}  // namespace moesaic
