#include "calibrate/measured_step_tables.hpp"

#include <fmt/format.h>

#include <array>
#include <cmath>

#include "calibrate/import_names.hpp"

namespace moesaic {
namespace {

struct RenamedModel {
  std::string_view theirs, ours;
};

constexpr RenamedModel kRenamedModels[] = {
    {"llama2-70b", "meta-llama/Llama-2-70b-hf"},
    {"Llama2-70B", "meta-llama/Llama-2-70b-hf"},
    {"Llama2-7B", "meta-llama/Llama-2-7b-hf"},
    {"Llama2-13B", "meta-llama/Llama-2-13b-hf"},
    {"bloom-176b", "bigscience/bloom"},
    {"meta-llama/Llama-3.1-8B-Instruct", "meta-llama/Llama-3.1-8B"},
    {"nvidia/Llama-3.1-8B-Instruct-FP8", "meta-llama/Llama-3.1-8B"},
    {"nvidia/Qwen3-32B-NVFP4", "Qwen/Qwen3-32B"},
    {"Llama-2-7b-hf", "meta-llama/Llama-2-7b-hf"},
    {"Llama-2-70b-hf", "meta-llama/Llama-2-70b-hf"},
    {"llama2_7b_dense_example", "meta-llama/Llama-2-7b-hf"},
    // Llama 3 and 3.1 differ in positions alone: their layers are the same.
    {"Meta-Llama-3-8B", "meta-llama/Llama-3.1-8B"},
    {"Meta-Llama-3-70B", "meta-llama/Llama-3.1-70B"},
    {"Llama-3.1-8B", "meta-llama/Llama-3.1-8B"},
    {"Llama-3.1-405B-Instruct-FP8", "meta-llama/Llama-3.1-405B"},
    {"Qwen3-30B-A3B-Instruct-2507", "Qwen/Qwen3-30B-A3B"},
};

constexpr Seconds kMillisecond{1e-3};

bool starts(std::string_view text, std::string_view with) { return text.starts_with(with); }

/// What engines run a checkpoint of this name in. DeepSeek's own checkpoints are fp8 and OpenAI's mxfp4: nothing to
/// say. NVIDIA's fp4 checkpoints of DeepSeek leave attention in bf16. TensorRT-LLM keeps the cache of its fp8 and fp4
/// checkpoints in fp8; others do where they are told to, as InferenceMAX tells vLLM on B200 and not on H200 (README.md,
/// "Server Configurations": --kv-cache-dtype fp8).
std::string precision_of(std::string_view model, std::string_view format, std::string_view engine,
                         std::string_view device) {
  const bool deepseek = starts(model, "deepseek-ai/");
  if (starts(model, "openai/gpt-oss") || (deepseek && format == "fp8")) {
    return "";
  }
  if (format == "fp4") {
    return deepseek ? "experts=nvfp4,dense=nvfp4,attention=bf16" : "weights=nvfp4,kv=fp8";
  }
  const bool narrow_cache = engine == "trtllm" || (engine == "vllm" && device.find("b200") != device.npos);
  return format == "bf16" ? "weights=bf16,kv=bf16" : narrow_cache ? "weights=fp8,kv=fp8" : "weights=fp8,kv=bf16";
}

std::int64_t degree(const StepRow& row, std::string_view column) {
  const std::string_view text = row.text(column);
  return text.empty() || text == "0" ? 1 : row.count(column);
}

/// InferenceMAX draws both lengths evenly from 80% to 100% of the nominal ones (its README, RANDOM_RANGE_RATIO 0.8);
/// its loads are these three.
bool is_inferencemax(std::int64_t input, std::int64_t output, const StepRow& row) {
  const bool load = (input == 1024 && (output == 1024 || output == 8192)) || (input == 8192 && output == 1024);
  return load && !starts(row.text("model"), "Qwen/Qwen3-32B");
}

}  // namespace

std::string model_name(std::string_view theirs) {
  for (const RenamedModel& model : kRenamedModels) {
    if (model.theirs == theirs) {
      return std::string(model.ours);
    }
  }
  return std::string(theirs);
}

void read_splitwise_step(const StepRow& row, std::vector<MeasuredStep>& steps) {
  const std::string_view hardware = row.text("hardware");
  if (hardware.ends_with("pcap")) {
    throw UnusedRow("power-capped GPUs, which no machine describes");
  }
  // A run of n tokens lasts at most its prompt and n token times.
  const double tokens = row.number("output_tokens");
  if (row.number("e2e_time_ms") > 2 * (row.number("prompt_time_ms") + tokens * row.number("token_time_ms"))) {
    throw UnusedRow("Splitwise: runs that took far longer than prompt and tokens, so that requests waited");
  }
  MeasuredStep step;
  step.device = starts(hardware, "a100") ? "a100-80gb-sxm" : starts(hardware, "h100") ? "h100-sxm" : "";
  if (step.device.empty()) {
    throw UnusedRow("hardware that is not known");
  }
  step.stack = "vllm";
  step.software = "vllm-2023";
  step.model = model_name(row.text("model"));
  step.format = "fp16";
  step.precision = "weights=bf16,kv=bf16";
  step.mapping = fmt::format("tp={}", row.count("tp"));
  step.batch = row.count("batch_size");
  step.input = row.count("prompt_size");
  step.output = row.count("output_tokens");
  step.kind = StepKind::prefill;
  step.measured = kMillisecond * row.number("prompt_time_ms");
  steps.push_back(step);
  step.kind = StepKind::decode;
  step.measured = kMillisecond * row.number("token_time_ms");
  steps.push_back(step);
}

void read_cent_step(const StepRow& row, std::vector<MeasuredStep>& steps) {
  if (row.text("metric") != "query_latency_s") {
    throw UnusedRow("CENT: rates that repeat the latencies, or of a batch that is not stated");
  }
  if (row.text("case") != "context_4k") {
    throw UnusedRow("CENT: 16k contexts, whose split into input and output is not stated");
  }
  MeasuredStep step;
  step.kind = StepKind::generation;
  step.device = "a100-80gb-sxm";
  step.stack = "vllm";
  step.software = "vllm-2024";
  step.model = model_name(row.text("model"));
  step.format = "fp16";
  step.precision = "weights=bf16,kv=bf16";
  const std::string_view hardware = row.text("hardware");
  step.mapping = fmt::format("tp={}", hardware.substr(0, hardware.find('x')));
  step.batch = row.count("batch");
  step.input = 512;
  step.output = 3584;
  step.measured = Seconds{row.number("value")};
  steps.push_back(step);
}

void read_serving_step(const StepRow& row, std::vector<MeasuredStep>& steps) {
  if (!starts(row.text("mode"), "agg")) {
    throw UnusedRow("prefill and decode on different GPUs");
  }
  if (row.text("config_complete") != "1") {
    throw UnusedRow("serving rows without their full configuration");
  }
  if (row.text("suspect") != "0") {
    throw UnusedRow("serving rows that their source contradicts (suspect)");
  }
  if (row.text("concurrency").empty()) {
    throw UnusedRow("serving rows without their concurrency");
  }
  MeasuredStep step;
  step.kind = StepKind::closed_loop;
  step.device = device_name(row.text("system"));
  step.stack = std::string(row.text("engine"));
  step.software = step.stack;
  step.model = model_name(row.text("model"));
  step.format = row.text("precision").empty() ? "bf16" : std::string(row.text("precision"));
  step.precision = precision_of(step.model, step.format, step.stack, step.device);
  const std::int64_t data = degree(row, "attention_dp_size");
  step.mapping = fmt::format("tp={},dp={},ep={}", row.count("tp_size"), data, degree(row, "moe_ep_size"));
  if (degree(row, "pp_size") > 1) {
    throw UnusedRow("pipeline parallelism");
  }
  step.batch = row.count("concurrency");
  step.input = row.count("isl");
  step.output = row.count("osl");
  if (is_inferencemax(step.input, step.output, row)) {
    step.input = step.input * 9 / 10;
    step.output = step.output * 9 / 10;
  }
  step.measured = kMillisecond * row.number("tpot_ms");
  steps.push_back(step);
}

}  // namespace moesaic
