#include "fixture.hpp"

#include <algorithm>
#include <cmath>

namespace moesaic::fixture {
namespace {

constexpr double kPeak = 989e12;
constexpr double kBandwidth = 3.35e12;
constexpr double kLaunch = 2.5e-6;
constexpr double kLink = 450e9;
constexpr double kLayers = 32;

// One operator of a layer: time is the larger of both roofs, slowed by an efficiency, and one launch.
OperatorRow row(const char* label, const char* kind, std::string shape, double flops, double bytes, double efficiency) {
  OperatorRow result;
  result.block = "layer 0-31";
  result.operator_ = label;
  result.kind = kind;
  result.shape = std::move(shape);
  result.count = kLayers;
  result.flops = {flops};
  result.bytes = {bytes};
  result.unit = "gpu";
  result.arithmetic = "bf16";
  result.intensity = {flops / bytes};
  result.ridge = {kPeak / kBandwidth};
  const double compute = flops / kPeak;
  const double memory = bytes / kBandwidth;
  result.limit = {std::max(compute, memory)};
  result.time = {result.limit.value / efficiency + kLaunch};
  result.bound_by = result.limit.value < kLaunch ? "latency" : compute > memory ? "compute" : "memory";
  return result;
}

OperatorRow all_reduce(double tokens) {
  OperatorRow result = row("all_reduce", "collective", "all_reduce 8 ranks", 0, tokens * 4096 * 2, 1);
  result.count = 2 * kLayers;
  result.unit = "link";
  result.intensity = {0};
  result.ridge = {0};
  result.limit = {result.bytes.value * 1.75 / kLink};
  result.time = {result.limit.value / 0.8 + 9e-6};
  result.bound_by = "link";
  return result;
}

std::string gemm(double m, double n, double k) {
  const auto whole = [](double value) { return std::to_string(std::llround(value)); };
  return "m=" + whole(m) + " n=" + whole(n) + " k=" + whole(k);
}

OperatorRow product(const char* label, double m, double n, double k, double efficiency) {
  return row(label, "projection", gemm(m, n, k), 2 * m * n * k, 2 * (n * k + m * k + m * n), efficiency);
}

// One step on one of 8 devices: `tokens` new tokens of `sequences` sequences, `pairs` (query, key) pairs a head.
std::vector<OperatorRow> operators(double tokens, double sequences, double pairs, double read) {
  const bool decode = tokens == sequences;
  const double experts = 3 * 8 * 4096.0 * 14336 / 8;  // all eight are used; 8-way slices
  std::vector<OperatorRow> rows{
      row("norm", "norm", "elements=" + std::to_string(std::llround(tokens * 4096)), 5 * tokens * 4096,
          4 * tokens * 4096, 0.7),
      product("qkv", tokens, 768, 4096, decode ? 0.62 : 0.68),
      row("scores", decode ? "attention_decode" : "attention_prefill",
          "sequences=" + std::to_string(std::llround(sequences)) + " heads=4 kv_heads=1 dim=128", 4 * pairs * 4 * 128,
          2 * 2 * 128 * read + 4 * tokens * 512, decode ? 0.72 : 0.55),
      product("output", tokens, 4096, 512, decode ? 0.6 : 0.66),
      all_reduce(tokens),
      row("router", "router", gemm(tokens, 8, 4096), 2 * tokens * 8 * 4096, 2 * (8 * 4096 + tokens * 4096), 0.3),
      row("experts", "experts", "rows=" + std::to_string(std::llround(2 * tokens)) + " experts=8 k=4096 width=1792",
          2 * 2 * tokens * 3 * 4096 * 1792, 2 * experts + 2 * 2 * tokens * (4096 * 2 + 1792 * 3), decode ? 0.74 : 0.6),
  };
  OperatorRow head = product("lm_head", sequences, 4000, 4096, 0.65);
  head.block = "output";
  head.kind = "head";
  head.count = 1;
  rows.push_back(head);
  return rows;
}

Seconds sum(const std::vector<OperatorRow>& rows, Seconds OperatorRow::*time, bool links) {
  Seconds total;
  for (const OperatorRow& row : rows) {
    total += row.unit == "link" && !links ? Seconds{} : row.*time * row.count;
  }
  return total;
}

Seconds launches(const std::vector<OperatorRow>& rows) {
  double count = 0;
  for (const OperatorRow& row : rows) {
    count += row.unit == "link" ? 0 : row.count;
  }
  return Seconds{kLaunch} * count;
}

// The waterfall of serial operators; bars add up to seconds - limit by construction.
PhasePrediction phase(const std::vector<OperatorRow>& rows, double steps, const std::string& limit_resource) {
  PhasePrediction result;
  result.steps = steps;
  const Seconds limit = sum(rows, &OperatorRow::limit, false);
  const Seconds computing = sum(rows, &OperatorRow::time, false);
  const Seconds all = sum(rows, &OperatorRow::time, true);
  const Seconds imbalance = 0.04 * limit;
  const Seconds launch = launches(rows);
  result.seconds = (all + imbalance) * steps;
  result.limit = {limit * steps, limit_resource, 0.97 * limit * steps, limit * steps};
  result.waterfall = {
      {"routing_imbalance", "routing imbalance", imbalance * steps, limit_resource},
      {"kernel_efficiency", "kernel efficiency", (computing - launch - limit) * steps, limit_resource},
      {"launch_latency", "launch and latency", launch * steps, "device.units.gpu.launch_latency"},
      {"communication", "exposed communication", (all - computing) * steps, "device.scale_up.bandwidth"},
  };
  return result;
}

std::vector<OperatorRow> decode_rows(double batch) { return operators(batch, batch, batch * 1152, batch * 1152); }

// Chunks of 8,192 tokens: eight prompts of 1,024, causal pairs T (T + 1) / 2 each.
std::vector<OperatorRow> prefill_rows(double batch) {
  const double prompts = std::min(batch, 8.0);
  return operators(prompts * 1024, prompts, prompts * 1024 * 1025 / 2, prompts * 1024);
}

void set_times(Prediction& p, double batch) {
  p.decode = phase(decode_rows(batch), 1, "device.memory.bandwidth");
  p.prefill = phase(prefill_rows(batch), std::ceil(batch / 8), "device.units.gpu.peak");
  const auto load = static_cast<double>(p.load.batch);
  const double waves = load / batch;
  p.ttft = p.prefill.seconds;
  p.tpot = p.decode.seconds;
  p.end_to_end = (p.ttft + 255 * p.tpot) * waves;
  p.output_tokens = {load * 256 / p.end_to_end.value};
  p.total_tokens = {load * 1280 / p.end_to_end.value};
  p.output_tokens_per_device = p.output_tokens / static_cast<double>(p.devices);
  p.decode_tokens = {batch / p.tpot.value};
  p.energy_per_token = Watts{10200 * 0.7} / p.output_tokens;
  p.per_million_tokens = DollarsPerSecond{8 * 2.5 / 3600} / p.output_tokens * 1e6;
}

std::vector<SweepPoint> sweep() {
  std::vector<SweepPoint> points;
  for (double batch = 1; batch <= 4096; batch *= 2) {
    Prediction p = mixtral();
    const double fitting = std::min(batch, 2900.0);  // (80 - 11.7 - 7) GB / (1280 tokens x 16 KiB)
    p.load.batch = static_cast<std::int64_t>(batch);
    set_times(p, fitting);
    const Seconds limit = (p.prefill.limit.seconds + 255 * p.decode.limit.seconds) * (batch / fitting);
    points.push_back({batch, batch <= fitting, p.output_tokens, PerSecond{batch * 256 / limit.value}, p.tpot,
                      p.decode.limit.seconds, p.ttft, p.prefill.limit.seconds});
  }
  return points;
}

}  // namespace

Machine dgx_h100() {
  Unit gpu;
  gpu.name = "gpu";
  gpu.peak[static_cast<std::size_t>(DType::bf16)] = {kPeak};
  gpu.peak[static_cast<std::size_t>(DType::fp8)] = {1979e12};
  gpu.memory_bandwidth = {kBandwidth};
  gpu.launch_latency = {kLaunch};
  Unit cpu;
  cpu.name = "cpu";
  cpu.peak[static_cast<std::size_t>(DType::bf16)] = {206e12};
  cpu.memory_bandwidth = {614e9};
  Machine machine;
  machine.name = "dgx-h100";
  machine.device.name = "h100-sxm";
  machine.device.units = {gpu};
  machine.device.memory = {{80e9}, {kBandwidth}};
  machine.device.scale_up = Link{"NVLink 4", {kLink}, {2e-6}, true};
  machine.devices = 8;
  Host& host = machine.host.emplace();
  host.name = "dual Xeon 8480C";
  host.cpu = cpu;
  host.memory = {{2e12}, {614e9}};
  host.power = {{300}, {2200}};
  return machine;
}

Prediction mixtral() {
  Prediction p;
  p.model = "Mixtral-8x7B-v0.1";
  p.machine = "dgx-h100";
  p.mapping = "tp=8,ep=1,dp=1";
  p.placement = "resident";
  p.precision = "weights=bf16,kv=bf16";
  p.cost_model = "default efficiencies";
  p.devices = 8;
  p.load = {64, 1024, 256, 8192};
  p.running_batch = 64;
  // 46.7e9 parameters of 2 bytes over 8 devices; 2 x 32 layers x 1 KV head x 128 x 2 bytes for 64 x 1,280 tokens.
  p.memory.device.weights = {46.7e9 * 2 / 8};
  p.memory.device.kv = {64.0 * 1280 * 16384};
  p.memory.device.activations = {8192.0 * 4096 * 2 * 6};
  p.memory.device.buffers = {8192.0 * 4096 * 2 * 2};
  p.memory.device.reserve = {6e9};
  p.memory.device.capacity = {80e9};
  p.memory.host.capacity = {2e12};
  p.memory.kv_per_token = {131072};
  p.advice = {2900, 46000, 2, "tp=2,ep=1,dp=1", std::nullopt, std::nullopt, false};
  set_times(p, 64);
  p.prefill.resources = {
      {"device.units.gpu.peak", 0.46}, {"device.memory.bandwidth", 0.11}, {"device.scale_up.bandwidth", 0.14}};
  p.decode.resources = {
      {"device.memory.bandwidth", 0.58}, {"device.units.gpu.peak", 0.02}, {"device.scale_up.bandwidth", 0.03}};
  p.elasticity = {{"device.memory.bandwidth", 0.63},         {"device.units.gpu.peak.bf16", 0.094},
                  {"device.units.gpu.launch_latency", 0.08}, {"device.scale_up.bandwidth", 0.041},
                  {"device.scale_up.latency", 0.087},        {"device.memory.capacity", 0},
                  {"device.units.gpu.peak.fp8", 0},          {"host.memory.bandwidth", 0}};
  return p;
}

Prediction too_large() {
  Prediction p = mixtral();
  p.devices = 1;
  p.mapping = "tp=1,ep=1,dp=1";
  p.fits = false;
  p.running_batch = 0;
  p.memory.device.weights = {46.7e9 * 2};
  p.memory.device.kv = {64.0 * 1280 * 131072};
  p.advice = {0, 0, 2, "tp=2,ep=1,dp=1", "weights=int4", std::nullopt, false};
  p.prefill = p.decode = {};
  p.ttft = p.tpot = p.end_to_end = {};
  p.output_tokens = p.total_tokens = p.output_tokens_per_device = p.decode_tokens = {};
  p.energy_per_token = {};
  p.per_million_tokens = {};
  p.elasticity.clear();
  return p;
}

Prediction in_turns() {
  Prediction p = mixtral();
  p.placement = "weights in host memory";
  p.fits = false;
  p.running_batch = 40;
  p.memory.host.weights = p.memory.device.weights * 8;
  p.memory.device.weights = {1e9};
  p.memory.device.kv = {83e9};
  p.advice = {40, 800, 16, "tp=16,ep=1,dp=1", "kv=fp8", std::nullopt, false};
  set_times(p, 40);
  return p;
}

PageSection section() {
  PageSection section;
  section.title = "Mixtral-8x7B on dgx-h100";
  section.prediction = mixtral();
  section.prefill_operators = prefill_rows(64);
  section.decode_operators = decode_rows(64);
  section.machine = dgx_h100();
  section.sweep = sweep();
  return section;
}

}  // namespace moesaic::fixture
