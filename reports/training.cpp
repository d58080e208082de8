#include "reports/training.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "base/quantity_text.hpp"
#include "reports/names.hpp"
#include "reports/table.hpp"
#include "reports/terminal.hpp"

namespace moesaic {
namespace {

using Json = nlohmann::ordered_json;

constexpr double kRounding = 1e-9;  // of a step: what is left of parts that are none

struct NamedPart {
  const char* id;
  const char* name;
  Seconds TrainingParts::*seconds;
};
constexpr std::array<NamedPart, 8> kParts = {{
    {"compute", "kernels, forward and backward", &TrainingParts::compute},
    {"recompute", "kernels, recomputed", &TrainingParts::recompute},
    {"tensor", "tensor parallelism", &TrainingParts::tensor},
    {"context", "context parallelism", &TrainingParts::context},
    {"expert", "expert parallelism", &TrainingParts::expert},
    {"bubble", "pipeline: idle and transfers", &TrainingParts::bubble},
    {"data", "gradients and weights", &TrainingParts::data},
    {"optimizer", "optimizer", &TrainingParts::optimizer},
}};

struct NamedMemory {
  const char* id;
  Bytes TrainingMemory::*bytes;
};
constexpr std::array<NamedMemory, 5> kMemory = {{
    {"weights", &TrainingMemory::weights},
    {"gradients", &TrainingMemory::gradients},
    {"optimizer", &TrainingMemory::optimizer},
    {"activations", &TrainingMemory::activations},
    {"reserve", &TrainingMemory::reserve},
}};

std::int64_t micro_batches(const TrainingReport& report) {
  return report.training.global_batch / (report.training.micro_batch * report.mapping.data);
}

std::string verdict(const TrainingMemory& memory) {
  return memory.fits() ? fmt::format("fits: {} of {} per device", to_text(memory.total()), to_text(memory.capacity))
                       : fmt::format("DOES NOT FIT: {} of {} per device, short by {}", to_text(memory.total()),
                                     to_text(memory.capacity), to_text(memory.total() - memory.capacity));
}

std::string question(const TrainingReport& report, const TextStyle& style) {
  const Training& training = report.training;
  Table table({{}, {}});
  table.add({"model", printable(report.model) + ", " + report.precision});
  table.add({"machine", fmt::format("{}, {} devices, {}", printable(report.machine),
                                    count_text(report.mapping.devices()), to_text(report.mapping))});
  table.add({"batch", fmt::format("{} sequences of {} tokens, in {} micro-batches of {} on each of dp={}",
                                  count_text(static_cast<double>(training.global_batch)),
                                  count_text(static_cast<double>(training.sequence)),
                                  count_text(static_cast<double>(micro_batches(report))), training.micro_batch,
                                  report.mapping.data)});
  table.add(
      {"step", fmt::format("{} schedule, recompute {}, ZeRO {}, {} attention, {}", name(training.schedule),
                           name(training.recompute), static_cast<int>(training.zero),
                           training.unfused_attention ? "unfused" : "fused",
                           training.capacity_factor > 0 ? fmt::format("capacity factor {}", training.capacity_factor)
                                                        : std::string("dropless"))});
  table.add({"cost model", printable(report.cost_model)});
  return heading("Asked", style) + table.text(style);
}

std::string performance(const TrainingReport& report, const TextStyle& style) {
  const TrainingPrediction& p = report.prediction;
  Table table({{}, {"", Align::right}, {}});
  const auto add = [&](const char* what, const std::string& value, const std::string& remark) {
    table.add({what, value, paint(remark, Paint::dim, style)});
  };
  add("step", to_text(p.step), "");
  add("tokens/s", rate_text(p.tokens), "all devices");
  add("tokens/s per device", rate_text(PerSecond{p.tokens.value / report.mapping.devices()}), "");
  add("model FLOPs per device", to_text(p.model_rate), "3x forward, causal, nothing counted twice");
  add("MFU", percent_text(p.mfu), fmt::format("{} with scores of all pairs counted", percent_text(p.mfu_full_square)));
  add("HFU", percent_text(p.hfu), "what is recomputed counted");
  add("limit", to_text(p.limit),
      fmt::format("no schedule of this mapping beats it; {} of its speed is reached", percent_text(p.limit / p.step)));
  return heading("Performance", style) + table.text(style);
}

std::string parts(const TrainingReport& report, const TextStyle& style) {
  const TrainingPrediction& p = report.prediction;
  Table table({{"on the slowest stage"}, {"time", Align::right}, {"share", Align::right}, {}});
  double at = 0;
  for (const NamedPart& part : kParts) {
    const Seconds seconds = p.parts.*part.seconds;
    if (std::abs(seconds / p.step) < kRounding) {
      continue;
    }
    const double share = seconds / p.step;
    table.add({part.name, to_text(seconds), percent_text(share),
               paint(bar(at, at + share, kFullBar, style),
                     part.seconds == &TrainingParts::compute ? Paint::limit : Paint::gap, style)});
    at += share;
  }
  table.add({"step", to_text(p.step), percent_text(1), bar(0, 1, kFullBar, style)});
  return heading("Where the step goes", style) + table.text(style);
}

std::string memory(const TrainingReport& report, const TextStyle& style) {
  const TrainingMemory& memory = report.prediction.memory;
  const double scale = std::max(memory.total(), memory.capacity).value;
  Table table({{""}, {"per device", Align::right}, {"share", Align::right}, {}});
  double at = 0;
  const auto add = [&](const char* what, Bytes bytes, double from, Paint colour) {
    table.add({what, to_text(bytes), percent_text(bytes / memory.capacity),
               paint(bar(from / scale, (from + bytes.value) / scale, kFullBar, style), colour, style)});
  };
  for (const NamedMemory& kind : kMemory) {
    const Bytes bytes = memory.*kind.bytes;
    add(kind.id, bytes, at, Paint::limit);
    at += bytes.value;
  }
  add("total", memory.total(), 0, memory.fits() ? Paint::good : Paint::bad);
  add("capacity", memory.capacity, 0, Paint::none);
  const std::string title = report.mapping.pipeline > 1 ? fmt::format("Memory of the fullest stage, {} of {}",
                                                                      memory.stage + 1, report.mapping.pipeline)
                                                        : "Memory";
  return heading(title, style) + table.text(style);
}

std::string changes_text(const TrainingOption& option) {
  std::string text;
  for (const TrainingChange change : option.changes) {
    text += (text.empty() ? "" : ", ") + std::string(name(change));
  }
  return text;
}

std::string settings_text(const Training& training) {
  return fmt::format("micro-batch {}, recompute {}, ZeRO {}", training.micro_batch, name(training.recompute),
                     static_cast<int>(training.zero));
}

std::string advice_text(const TrainingAdvice& advice, const TextStyle& style) {
  if (advice.options.empty()) {
    return heading("What would fit", style) +
           fmt::format("  nothing that was tried on up to {} devices; the least is {} a device, of {}, {}\n",
                       count_text(advice.most_devices), to_text(advice.closest.memory), to_text(advice.closest.mapping),
                       settings_text(advice.closest.training));
  }
  Table table({{"changing"}, {"mapping"}, {"setting"}, {"memory", Align::right}, {"step", Align::right}});
  for (const TrainingOption& option : advice.options) {
    table.add({changes_text(option), to_text(option.mapping), settings_text(option.training), to_text(option.memory),
               to_text(option.step)});
  }
  return heading("What would fit, changing least", style) + table.text(style);
}

Json option_json(const TrainingOption& option) {
  Json changes = Json::array();
  for (const TrainingChange change : option.changes) {
    changes.push_back(name(change));
  }
  return {{"changes", std::move(changes)},
          {"mapping", to_text(option.mapping)},
          {"devices", option.mapping.devices()},
          {"micro_batch", option.training.micro_batch},
          {"recompute", name(option.training.recompute)},
          {"zero", static_cast<int>(option.training.zero)},
          {"memory_bytes", option.memory.value},
          {"step_s", option.step.value}};
}

Json advice_json(const TrainingReport& report) {
  const TrainingAdvice& advice = *report.advice;
  const TrainingMemory& memory = report.prediction.memory;
  Json options = Json::array();
  for (const TrainingOption& option : advice.options) {
    options.push_back(option_json(option));
  }
  Json json = {{"missing_bytes", (memory.total() - memory.capacity).value},
               {"tried", advice.tried},
               {"most_devices", advice.most_devices},
               {"options", std::move(options)}};
  if (advice.options.empty() && advice.tried > 0) {
    json["closest"] = option_json(advice.closest);
  }
  return json;
}

Json mapping_json(const Mapping& mapping) {
  return {{"text", to_text(mapping)},
          {"devices", mapping.devices()},
          {"tensor", mapping.tensor},
          {"context", mapping.context},
          {"pipeline", mapping.pipeline},
          {"virtual_stages", mapping.virtual_stages},
          {"data", mapping.data},
          {"expert", mapping.expert},
          {"expert_tensor", mapping.expert_tensor()},
          {"expert_data", mapping.expert_data()},
          {"sequence", mapping.sequence}};
}

}  // namespace

std::string training_text(const TrainingReport& report, const TextStyle& style) {
  const TrainingMemory& held = report.prediction.memory;
  return paint(verdict(held), held.fits() ? Paint::good : Paint::bad, style) + '\n' + question(report, style) +
         performance(report, style) + parts(report, style) + memory(report, style) +
         (report.advice ? advice_text(*report.advice, style) : std::string());
}

std::string training_json(const TrainingReport& report) {
  const TrainingPrediction& p = report.prediction;
  const Training& training = report.training;
  Json parts, memory;
  for (const NamedPart& part : kParts) {
    parts[part.id] = (p.parts.*part.seconds).value;
  }
  for (const NamedMemory& kind : kMemory) {
    memory[kind.id] = (p.memory.*kind.bytes).value;
  }
  memory["total"] = p.memory.total().value;
  memory["capacity"] = p.memory.capacity.value;
  memory["stage"] = p.memory.stage;
  memory["fits"] = p.memory.fits();
  Json json = {{"version", "1"},
               {"model", report.model},
               {"machine", report.machine},
               {"precision", report.precision},
               {"cost_model", report.cost_model},
               {"mapping", mapping_json(report.mapping)},
               {"training",
                {{"global_batch", training.global_batch},
                 {"micro_batch", training.micro_batch},
                 {"micro_batches", micro_batches(report)},
                 {"sequence", training.sequence},
                 {"recompute", name(training.recompute)},
                 {"zero", static_cast<int>(training.zero)},
                 {"schedule", name(training.schedule)},
                 {"attention", training.unfused_attention ? "unfused" : "fused"},
                 {"capacity_factor", training.capacity_factor},
                 {"overlap_gradients", training.overlap_gradients},
                 {"overlap_weights", training.overlap_weights}}},
               {"fits", p.memory.fits()},
               {"step_s", p.step.value},
               {"limit_s", p.limit.value},
               {"tokens_per_s", p.tokens.value},
               {"tokens_per_s_per_device", p.tokens.value / report.mapping.devices()},
               {"model_flops_per_s_per_device", p.model_rate.value},
               {"mfu", p.mfu},
               {"mfu_full_square", p.mfu_full_square},
               {"hfu", p.hfu},
               {"parts_s", parts},
               {"memory_bytes", memory}};
  if (report.advice) {
    json["advice"] = advice_json(report);
  }
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace moesaic
