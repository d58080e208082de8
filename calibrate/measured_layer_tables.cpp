// Readers of published profiles of layers, kernel by kernel, and their sums.
#include <fmt/format.h>

#include <algorithm>
#include <tuple>

#include "base/error.hpp"
#include "calibrate/import_names.hpp"
#include "calibrate/measured_step_tables.hpp"

namespace moesaic {
namespace {

constexpr Seconds kMicrosecond{1e-6};

/// Columns of a kernel in tables with a layer in a row. An operator that has several is measured if all of them are.
struct Columns {
  std::string_view label;
  std::string_view first, second = {};
};

constexpr Columns kColumns[] = {
    {"norm", "input_layernorm_us", "post_attention_layernorm_us"},
    {"qkv", "attn_pre_proj_us"},
    {"rotary", "attn_rope_us"},
    {"o", "attn_post_proj_us"},
    {"up", "mlp_up_proj_us"},
    {"activation", "mlp_act_us"},
    {"down", "mlp_down_proj_us"},
};

MeasuredStep layer_of(std::string_view model, std::int64_t tensor_parallel, std::int64_t tokens) {
  MeasuredStep step;
  step.kind = StepKind::layer;
  step.stack = "vllm";
  step.model = model_name(model);
  step.format = "bf16";
  step.precision = "weights=bf16,kv=bf16";
  step.mapping = fmt::format("tp={}", tensor_parallel);
  step.input = tokens;
  return step;
}

void add_columns(const StepRow& row, MeasuredStep& step) {
  for (const Columns& columns : kColumns) {
    if (row.text(columns.first).empty() || (!columns.second.empty() && row.text(columns.second).empty())) {
      continue;
    }
    step.measured += kMicrosecond * row.number(columns.first);
    if (!columns.second.empty()) {
      step.measured += kMicrosecond * row.number(columns.second);
    }
    step.operators.emplace_back(columns.label);
  }
  if (step.operators.empty()) {
    throw UnusedRow("layers without any of their kernels");
  }
}

/// The source does not record the boards. Its H100 streams weights at 3.0 TB/s, more than a PCIe board's memory does,
/// and has 80 GB, less than an NVL board. Its A100 could be either, which differ by 5% in bandwidth.
std::string vidur_device(std::string_view gpu) {
  return gpu == "a100_80gb" ? "a100-80gb-sxm" : gpu == "h100_80gb" ? "h100-sxm" : device_name(gpu);
}

struct KernelName {
  std::string_view theirs;
  std::string_view label;  ///< empty: no operator of the step graph's layer
  double times = 1;        ///< in a layer
  std::size_t whole = 1;
};

constexpr KernelName kLlmServingSim[] = {
    {"layernorm", "norm", 2},  // profiled once, before attention and feed-forward alike
    {"qkv_proj", "qkv"},      {"rotary_emb", "rotary"}, {"o_proj", "o"},
    {"gate_up_proj", "up"},   {"act_fn", "activation"}, {"down_proj", "down"},
    {"embedding", ""},        {"final_layernorm", ""},  {"qk_norm", ""},
};

// PyTorch without fused attention: two batched products and a softmax are the graph's scores.
constexpr KernelName kLlmCompass[] = {
    {"LayerNorm_MHA", "norm", 1, 2},
    {"LayerNorm_FFN", "norm", 1, 2},
    {"Q_K_V", "qkv"},
    {"Q_mul_K", "scores", 1, 3},
    {"Softmax", "scores", 1, 3},
    {"A_mul_V", "scores", 1, 3},
    {"Wo_proj", "o"},
    {"AllReduce_MHA", "reduce attention"},
    {"W1_proj", "up"},
    {"GeLU", "activation"},
    {"W2_proj", "down"},
    {"AllReduce_FFN", "reduce feed-forward"},
};

template <std::size_t N>
LayerPart part_of(const KernelName (&names)[N], std::string_view theirs, MeasuredStep step, Seconds time) {
  const auto* found =
      std::find_if(std::begin(names), std::end(names), [&](const auto& n) { return n.theirs == theirs; });
  if (found == std::end(names)) {
    throw BadRow(fmt::format("kernel '{}' is not known", printable(std::string(theirs), 40)));
  }
  if (found->label.empty()) {
    throw UnusedRow("kernels that are no operator of a layer here (embedding, final and query-key norms)");
  }
  step.measured = time * found->times;
  step.operators = {std::string(found->label)};
  return {std::string(theirs), found->whole, std::move(step)};
}

/// A layer as it grows.
struct Layer {
  MeasuredStep step;
  std::vector<const LayerPart*> parts;
};

bool is_whole(const Layer& layer, const LayerPart& part) {
  const auto same = [&](const LayerPart* other) { return other->step.operators == part.step.operators; };
  return static_cast<std::size_t>(std::count_if(layer.parts.begin(), layer.parts.end(), same)) == part.whole;
}

}  // namespace

std::vector<MeasuredStep> merge_parts(const std::vector<LayerPart>& parts,
                                      std::map<std::string, std::size_t>& left_out) {
  std::vector<Layer> layers;
  std::map<std::tuple<std::string, std::string, std::int64_t, std::int64_t>, std::size_t> known;
  for (const LayerPart& part : parts) {
    const MeasuredStep& step = part.step;
    const auto [found, added] =
        known.try_emplace({step.configuration(), step.precision, step.batch, step.input}, layers.size());
    if (added) {
      layers.push_back({step, {}});
    }
    Layer& layer = layers[found->second];
    if (std::any_of(layer.parts.begin(), layer.parts.end(),
                    [&](const auto* other) { return other->name == part.name; })) {
      ++left_out["kernels given twice for one layer"];
    } else {
      layer.parts.push_back(&part);
    }
  }
  std::vector<MeasuredStep> merged;
  for (Layer& layer : layers) {
    MeasuredStep& step = layer.step;
    step.measured = Seconds{0};
    step.operators.clear();
    for (const LayerPart* part : layer.parts) {
      if (!is_whole(layer, *part)) {
        ++left_out["kernels that are only some of an operator"];
        continue;
      }
      step.measured += part->step.measured;
      const std::string& label = part->step.operators.front();
      if (std::find(step.operators.begin(), step.operators.end(), label) == step.operators.end()) {
        step.operators.push_back(label);
      }
    }
    if (!step.operators.empty()) {
      merged.push_back(std::move(step));
    }
  }
  return merged;
}

void read_vidur_layer(const StepRow& row, std::vector<MeasuredStep>& steps) {
  MeasuredStep step = layer_of(row.text("model"), row.count("tp"), row.count("num_tokens"));
  step.device = vidur_device(row.text("gpu"));
  step.format = "fp16";
  add_columns(row, step);
  // The graph's norm adds the residual on the way. Here that is a kernel of its own, run twice in a layer and timed
  // once (vidur/profiling/mlp/mlp_impl.py).
  if (!row.text("add_us").empty() && step.operators.front() == "norm") {
    step.measured += kMicrosecond * (2 * row.number("add_us"));
  }
  steps.push_back(std::move(step));
}

void read_frontier_layer(const StepRow& row, std::vector<MeasuredStep>& steps) {
  const std::string_view model = row.text("model");
  if (model.ends_with("-tiny")) {
    throw UnusedRow("Frontier: shrunken models, which no preset describes");
  }
  MeasuredStep step = layer_of(model, row.count("tp"), row.count("num_tokens"));
  step.device = device_name(row.text("gpu"));
  const std::string_view precision = row.text("precision");
  // Weights quantised as they are loaded. Products reach 1.3 PFLOP/s, beyond bf16's peak, so activations are fp8 too.
  if (precision.find("method=fp8") != precision.npos) {
    step.format = "fp8";
    step.precision = "weights=fp8,kv=bf16";
  } else if (precision == "FP16 / none") {
    step.format = "fp16";
  } else if (precision != "BF16 / none") {
    throw UnusedRow("Frontier: a precision that is not known");
  }
  add_columns(row, step);
  steps.push_back(std::move(step));
}

LayerPart read_llmservingsim_kernel(const StepRow& row) {
  MeasuredStep step = layer_of(row.text("model"), row.count("tp"), row.count("tokens"));
  step.device = device_name(row.text("gpu"));
  return part_of(kLlmServingSim, row.text("layer"), std::move(step), kMicrosecond * row.number("time_us"));
}

LayerPart read_llmcompass_kernel(const StepRow& row) {
  if (row.text("gpu") != "a100_80gb x4" || row.text("phase") != "prefill" || row.text("d_model") != "12288" ||
      row.text("n_heads") != "96") {
    throw UnusedRow("LLMCompass: another layer than GPT-3's on four A100");
  }
  // OPT-175B has the dimensions of GPT-3 175B.
  MeasuredStep step = layer_of("facebook/opt-175b", row.count("tp"), row.count("seq_len"));
  step.device = "a100-80gb-sxm";  // the paper's node joins its GPUs by NVLink
  step.format = "fp16";
  step.batch = row.count("batch");
  return part_of(kLlmCompass, row.text("component"), std::move(step), kMicrosecond * row.number("latency_us"));
}

}  // namespace moesaic
