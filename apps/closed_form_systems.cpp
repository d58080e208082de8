#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "apps/closed_forms.hpp"
#include "model/offload/flexgen_cost.hpp"
#include "model/offload/hierarchical_roofline.hpp"
#include "model/offload/lightning_optimizer.hpp"
#include "model/offload/moe_lens.hpp"

namespace moesaic {
namespace {

constexpr double kMostFormTokens = 1e6;  // of a prompt or a generation

ClosedFormReport system_report(const ClosedFormInput& input) {
  return {.form = input.form(), .subject = input.model_name(), .results = {}};
}

/// The largest rate of the GPU: as given, or as the tokens that take it as long as all weights take the link.
std::optional<PerSecond> gpu_rate(const ClosedFormInput& input, Seconds streaming) {
  if (const auto rate = input.number_if("gpu-rate", 1e-9, 1e15)) {
    return PerSecond{*rate};
  }
  const auto tokens = input.number_if("gpu-tokens", 1e-9, 1e15);
  return tokens ? std::optional(PerSecond{*tokens / streaming.value}) : std::nullopt;
}

void add_intensity(const ClosedFormInput& input, const AlikeLayers& model, ClosedFormReport& report) {
  if (const auto tokens = input.number_if("tokens", 1, 1e15)) {
    report.add("intensity", "GEMM intensity (Eq 1)", moe_lens::gemm_intensity(model, *tokens));
    report.add("printed_intensity", "as its second line is printed", moe_lens::printed_gemm_intensity(model, *tokens));
    report.add("expert_intensity", "of experts alone", moe_lens::expert_gemm_intensity(model, *tokens));
  }
}

void add_saturation(const ClosedFormInput& input, const AlikeLayers& model, ClosedFormReport& report) {
  const bool compute = input.has("compute");
  const auto length = input.number_if("length", 1, 1e9);
  const auto counting = input.choice_or("counting", {"decimal", "paper"}) == "paper" ? moe_lens::Counting::paper
                                                                                     : moe_lens::Counting::decimal;
  if (compute || length) {
    const auto peak = input.quantity<FlopsPerSecond>("compute");
    const auto link = input.quantity<BytesPerSecond>("link");
    report.add("tokens_to_saturate", "tokens that saturate the GPU (Eq 2)",
               moe_lens::tokens_to_saturate(model, peak, link, counting));
    if (length) {
      report.add("kv_to_saturate_bytes", "their KV cache (Table 2)",
                 moe_lens::kv_to_saturate(model, peak, link, *length, counting));
    }
  }
}

/// Eqs 3, 4 and 7, and the second stage.
void add_generation(const ClosedFormInput& input, const AlikeLayers& model, ClosedFormReport& report) {
  const double prompt = input.number("prompt", 1, kMostFormTokens),
               generated = input.count("generated", kMostFormTokens);
  report.add("memory_efficiency", "tokens in parallel for a token of KV (Eq 3)",
             moe_lens::memory_efficiency(prompt, generated));
  report.add("printed_memory_efficiency", "as its closed form is printed",
             moe_lens::printed_memory_efficiency(prompt, generated));
  report.add("kv_gain", "effective KV capacity over capacity (Eq 7)",
             moe_lens::effective_kv(Bytes{1}, prompt, generated).value);
  const auto kv = input.quantity_if<Bytes>("kv");
  const auto requests = input.number_if("requests", 1, 1e12);
  const double block = input.count_or("block", 1, kMostFormTokens);
  if (!kv && !requests) {
    return;
  }
  const double kv_tokens = input.quantity<Bytes>("kv") / model.kv_bytes_per_token();
  const Seconds streaming = moe_lens::streaming_time(input.weights(), input.quantity<BytesPerSecond>("link"));
  const auto gpu = gpu_rate(input, streaming);
  if (!gpu) {
    throw UserError("closed-form moe-lens needs --gpu-rate or --gpu-tokens beside --kv");
  }
  const PerSecond most =
      moe_lens::most_tokens(moe_lens::memory_efficiency(prompt, generated), kv_tokens, streaming, *gpu);
  report.add("kv_tokens", "KV capacity, tokens", kv_tokens);
  report.add("tokens_per_s", "most tokens, prompts' included (Eq 4)", most);
  report.add("generated_per_s", "generated ones of them", most * (generated / (prompt + generated)));
  report.add_truth("kv_is_limit", "KV capacity is the limit, not the GPU", most < *gpu);
  if (requests) {
    const moe_lens::BatchTime time =
        moe_lens::batch_time({*requests, prompt, generated, block}, kv_tokens, streaming, *gpu);
    report.add("batch_tokens_per_pass", "tokens of a pass of the batch (stage 2, our reconstruction)",
               time.tokens_per_pass);
    report.add("batch_passes", "passes of the batch", time.passes);
    report.add("batch_s", "time of the batch", time.total);
    report.add("batch_generated_per_s", "generated tokens of the batch", time.generated);
  }
}

}  // namespace

ClosedFormReport moe_lens_report(const ClosedFormInput& input) {
  ClosedFormReport report = system_report(input);
  const AlikeLayers model = input.model();
  add_intensity(input, model, report);
  add_saturation(input, model, report);
  const bool weighed = input.has("weights");
  if (input.has("link") && (weighed || input.has("kv"))) {
    const Bytes weights = input.weights();
    const auto link = input.quantity<BytesPerSecond>("link");
    report.add("streaming_s", "time to stream all weights", moe_lens::streaming_time(weights, link));
    if (const auto kv = input.quantity_if<Bytes>("kv")) {
      report.add("host_bytes_per_s", "host memory traffic (Eq 5)", moe_lens::host_bandwidth(*kv, weights, link));
      if (const auto intensity = input.number_if("cpu-intensity", 1e-9, 1e9)) {
        report.add("cpu_flops_per_s", "CPU arithmetic of attention (Eq 6)",
                   moe_lens::cpu_attention(model, {*intensity}, *kv / moe_lens::streaming_time(weights, link)));
      }
    }
  }
  if (input.has("prompt") || input.has("generated")) {
    add_generation(input, model, report);
  }
  if (report.results.empty()) {
    throw UserError(
        "closed-form moe-lens needs --tokens, or --compute and --link, or --weights and --link, or --prompt and "
        "--generated");
  }
  return report;
}

ClosedFormReport roofline_report(const ClosedFormInput& input) {
  ClosedFormReport report{.form = input.form(), .subject = "", .results = {}};
  const HierarchicalRoofline roofline{
      .upper = {input.quantity<FlopsPerSecond>("compute"), input.quantity<BytesPerSecond>("gpu-bandwidth")},
      .lower = {input.quantity<FlopsPerSecond>("cpu-compute"), input.quantity<BytesPerSecond>("cpu-bandwidth")},
      .link = input.quantity<BytesPerSecond>("link")};
  const FlopsPerByte upper{input.number("intensity", 1e-9, 1e12)};
  report.add("lower_turning_point", "P1: worth moving to the GPU from this intensity on the CPU (Eq 9)",
             lower_turning_point(roofline));
  report.add("link_turning_point", "P2: the link is no longer the limit from this one (Eq 10)",
             link_turning_point(roofline, upper));
  report.add("balance_point", "link and GPU memory take the same time at this one (Eq 11)",
             balance_point(roofline, upper));
  report.add("gpu_flops_per_s", "GPU, data in its memory (Eq 8)", attainable(roofline.upper, upper));
  if (const auto lower = input.number_if("cpu-intensity", 1e-9, 1e12)) {
    report.add("streamed_flops_per_s", "GPU, data in the CPU's memory (Eq 7)", attainable(roofline, upper, {*lower}));
    report.add("cpu_flops_per_s", "CPU", attainable(roofline.lower, {*lower}));
  }
  return report;
}

ClosedFormReport lightning_report(const ClosedFormInput& input) {
  ClosedFormReport report = system_report(input);
  const AlikeLayers model = input.model();
  lightning::Machine machine{.gpu_memory = input.quantity<Bytes>("gpu-memory"),
                             .cpu_memory = input.quantity<Bytes>("cpu-memory"),
                             .link = input.quantity<BytesPerSecond>("link"),
                             .gpu_bandwidth = input.quantity<BytesPerSecond>("gpu-bandwidth"),
                             .cpu_bandwidth = input.quantity<BytesPerSecond>("cpu-bandwidth"),
                             .gpu = input.quantity<FlopsPerSecond>("compute"),
                             .cpu = input.quantity<FlopsPerSecond>("cpu-compute"),
                             .devices = input.count_or("devices", 1, 1024)};
  machine.gpu_share = input.share_or("gpu-share", machine.gpu_share);
  machine.cpu_share = input.share_or("cpu-share", machine.cpu_share);
  const lightning::Load load{input.number("prompt", 1, kMostFormTokens), input.count("generated", kMostFormTokens)};
  if (load.generated < 2) {
    throw UserError("--generated: found 1, the first token is prefill's: allowed are 2 and more");
  }
  const bool gpu_attention = input.flag("gpu-attention");
  const bool every = input.choice_or("micro-batches-tried", {"authors", "every"}) == "every";
  std::optional<lightning::Policy> policy;
  if (input.has("micro-batch") || input.has("micro-batches")) {
    policy = lightning::Policy{.micro_batch = static_cast<std::int64_t>(input.count("micro-batch", 1e6)),
                               .micro_batches = static_cast<std::int64_t>(input.count("micro-batches", 1e6)),
                               .resident = input.share_or("resident", 0),
                               .gpu_attention = gpu_attention};
    if (!input.has("resident")) {
      policy = lightning::with_best_share(model, machine, load, *policy);
    }
  } else {
    const auto tried = lightning::micro_batches_that_fit(model, machine, load, gpu_attention, every ? 1 : 32);
    const auto best = lightning::best_policy(model, machine, load, tried, gpu_attention);
    policy = best ? std::optional(best->policy) : std::nullopt;
  }
  if (!policy) {
    throw UserError(
        fmt::format("closed-form moe-lightning: no share of resident experts fits {} of GPU and {} of CPU memory",
                    to_text(machine.gpu_memory * machine.gpu_share), to_text(machine.cpu_memory * machine.cpu_share)));
  }
  const lightning::Cost cost = lightning::cost(model, machine, load, *policy);
  report.add("micro_batch", "sequences of a micro-batch", static_cast<double>(policy->micro_batch));
  report.add("micro_batches", "micro-batches", static_cast<double>(policy->micro_batches));
  report.add_share("resident", "share of experts that stays on the GPU", policy->resident);
  report.add("transfer_s", "a layer's transfer to the GPU", cost.transfer);
  report.add("cpu_s", "a layer's CPU attention", cost.cpu);
  report.add("gpu_s", "a layer on the GPU", cost.gpu_attention + cost.gpu_experts);
  report.add("layer_s", "a layer, the longest of them", cost.layer);
  report.add("step_s", "a step", cost.step);
  report.add("tokens_per_s", "decode", cost.decode_rate);
  report.add("gpu_memory_bytes", "peak of GPU memory", cost.gpu_memory);
  report.add("cpu_memory_bytes", "peak of CPU memory", cost.cpu_memory);
  report.add("attention_weights_bytes", "weights beside experts", lightning::resident_weights(model));
  report.add("weights_bytes", "all weights of layers",
             lightning::resident_weights(model) + model.expert_bytes() * model.experts * model.layers);
  report.add_truth("fits", "fits both memories", cost.fits);
  return report;
}

namespace {

flexgen::Shares shares(const ClosedFormInput& input, const char* key) {
  const std::vector<double> percents = input.percents(key);
  if (percents.size() != 2 || percents[0] + percents[1] > 100 + 1e-9) {
    throw UserError(
        fmt::format("--{}: needs the percent on the GPU and on the CPU, for example 20,80; the rest of 100 "
                    "is on disk",
                    key));
  }
  return {percents[0] / 100, percents[1] / 100, std::max(0.0, 1 - percents[0] / 100 - percents[1] / 100)};
}

void add_phase(ClosedFormReport& report, const std::string& key, const std::string& name,
               const flexgen::PhaseTimes& times) {
  report.add(key + "_to_gpu_s", name + ", a layer: to the GPU", times.to_gpu);
  report.add(key + "_to_cpu_s", name + ", a layer: to the CPU", times.to_cpu);
  report.add(key + "_from_disk_s", name + ", a layer: from disk", times.from_disk);
  report.add(key + "_to_disk_s", name + ", a layer: to disk", times.to_disk);
  report.add(key + "_compute_s", name + ", a layer: computing", times.compute);
}

}  // namespace

ClosedFormReport flexgen_report(const ClosedFormInput& input) {
  ClosedFormReport report = system_report(input);
  const AlikeLayers model = input.model();
  flexgen::Rates rates;
  rates.to_gpu = input.has("link") ? input.quantity<BytesPerSecond>("link") : rates.to_gpu;
  rates.from_disk = input.has("disk") ? input.quantity<BytesPerSecond>("disk") : rates.from_disk;
  rates.cpu_decode_attention =
      input.has("cpu-compute") ? input.quantity<FlopsPerSecond>("cpu-compute") : rates.cpu_decode_attention;
  rates.prefill_products = input.has("compute") ? input.quantity<FlopsPerSecond>("compute") : rates.prefill_products;
  const flexgen::Load load{input.number("prompt", 1, kMostFormTokens), input.count("generated", kMostFormTokens)};
  const flexgen::Policy policy{.micro_batch = static_cast<std::int64_t>(input.count("micro-batch", 1e6)),
                               .micro_batches = static_cast<std::int64_t>(input.count("micro-batches", 1e6)),
                               .weights = shares(input, "weights-on"),
                               .kv = shares(input, "kv-on"),
                               .activations = shares(input, "activations-on"),
                               .compressed = input.flag("compressed")};
  const flexgen::Cost cost = flexgen::cost(model, rates, load, policy);
  add_phase(report, "prefill", "prefill", cost.prefill);
  add_phase(report, "decode", "decode", cost.decode);
  report.add("prefill_s", "prefill", cost.prefill_total);
  report.add("step_s", "a step of decode", cost.decode_step);
  report.add("total_s", "all tokens", cost.total);
  report.add("tokens_per_s", "generated tokens", cost.rate);
  report.add("gpu_memory_bytes", "peak of GPU memory", cost.gpu_memory);
  report.add("cpu_memory_bytes", "peak of CPU memory", cost.cpu_memory);
  report.add("disk_bytes", "on disk", cost.disk);
  return report;
}

}  // namespace moesaic
