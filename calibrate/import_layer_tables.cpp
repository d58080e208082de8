// Tables of layer profilers: the kernels of a layer side by side in a row, or one a row with the name of the model.
#include <algorithm>
#include <array>
#include <cctype>

#include "calibrate/import.hpp"
#include "calibrate/import_layers.hpp"
#include "calibrate/import_names.hpp"

namespace moesaic {
namespace {

constexpr std::array<std::string_view, 10> kSideBySide = {
    "emb",         "input_layernorm", "attn_pre_proj", "attn_rope", "attn_post_proj", "post_attention_layernorm",
    "mlp_up_proj", "mlp_act",         "mlp_down_proj", "add"};

void add_kernel(const LayerKernel& kernel, std::string_view device, std::string_view stack, std::string_view dtype,
                double latency, MeasurementSink& sink) {
  const std::string texts = fmt::format("{}\n{}\n{}\n{}\n{}", name(kernel.family), kernel.kernel, device, stack, dtype);
  const std::uint32_t key = sink.key(texts, [&] {
    return MeasurementKey{
        kernel.family, device_name(device), std::string(stack), std::string(dtype), "", std::string(kernel.kernel)};
  });
  sink.add(key, kernel.shape, Seconds{latency});
}

/// What is one vidur table and what another.
struct SideBySide {
  std::string_view tensor_parallel;
  std::string_view before, after;  ///< of a kernel's name in its column
  int exponent;                    ///< of the unit
  std::string device;              ///< where no column says it
};

struct KernelColumn {
  std::string_view name;
  std::string column;
  std::size_t index;
};

RowReader side_by_side(const CsvTable& table, const SideBySide& source) {
  if (!table.has({"n_head", "n_kv_head", "n_embd", "n_expanded_embd", "num_tokens"}) ||
      !table.column(source.tensor_parallel)) {
    return {};
  }
  std::vector<KernelColumn> kernels;
  for (const std::string_view kernel : kSideBySide) {
    std::string column = fmt::format("{}{}{}", source.before, kernel, source.after);
    if (const auto index = table.column(column)) {
      kernels.push_back({kernel, std::move(column), *index});
    }
  }
  if (kernels.empty()) {
    return {};
  }
  return [&table, kernels, source](MeasurementSink& sink) {
    const auto read = [&](std::string_view column) { return number(table[*table.column(column)], column); };
    const auto text = [&](std::string_view column) {
      const auto index = table.column(column);
      return index ? table[*index] : std::string_view();
    };
    LayerDimensions model;
    model.hidden = read("n_embd");
    model.heads = read("n_head");
    model.kv_heads = read("n_kv_head");
    model.inter = read("n_expanded_embd");
    model.up_matrices = text("use_gated_mlp") == "False" ? 1 : 2;
    std::string named(text("model"));
    std::transform(named.begin(), named.end(), named.begin(), [](unsigned char c) { return std::tolower(c); });
    // Where a precision is told, the models are newer ones, whose head size need not follow from the others.
    const std::string_view precision = text("precision");
    if (precision.empty() || named.find("llama") != named.npos) {
      model.head_dim = model.heads > 0 ? model.hidden / model.heads : 0;
    }
    const std::string_view products = precision.find("fp8") != precision.npos ? "fp8" : "";
    const std::string_view dtype = precision.starts_with("BF16") ? "bf16" : "fp16";
    const std::string_view device = source.device.empty() ? text("gpu") : std::string_view(source.device);
    for (const KernelColumn& column : kernels) {
      if (table[column.index].empty()) {
        continue;  // a kernel that this model does not have
      }
      const auto kernel = layer_kernel(column.name, model, read("num_tokens"), read(source.tensor_parallel));
      if (kernel) {
        const bool product = kernel->family == Family::gemm && !products.empty();
        add_kernel(*kernel, device, precision.empty() ? "vidur" : "frontier", product ? products : dtype,
                   number(table[column.index], column.column, source.exponent), sink);
      }
    }
    return true;
  };
}

/// "a100" of ".../compute/a100/meta-llama/...": upstream keeps the device in the path. Its A100 and H100 have 80 GB.
std::string device_of_path(const std::string& file) {
  for (const std::string_view folder : {"/compute/", "/network/"}) {
    if (const std::size_t at = file.find(folder); at != file.npos) {
      const std::size_t begin = at + folder.size();
      const std::string device = file.substr(begin, file.find('/', begin) - begin);
      return device == "a100" || device == "h100" ? device + "-80gb" : device;
    }
  }
  return "unknown";
}

/// One kernel a row, with the name of the model.
RowReader one_by_one(const CsvTable& table, std::string_view tokens, std::string_view latency, std::string_view stack) {
  if (!table.has({"gpu", "model", "layer", "tp"}) || !table.column(tokens) || !table.column(latency)) {
    return {};
  }
  const std::array<std::size_t, 6> at = {*table.column("gpu"), *table.column("model"), *table.column("layer"),
                                         *table.column("tp"),  *table.column(tokens),  *table.column(latency)};
  return [&table, at, tokens, latency, stack](MeasurementSink& sink) {
    const LayerDimensions* model = layer_dimensions(table[at[1]]);
    if (!model) {
      throw UnusedRow(fmt::format("model: the dimensions of '{}' are not known", printable(table[at[1]], 40)));
    }
    const auto kernel = layer_kernel(table[at[2]], *model, number(table[at[4]], tokens), number(table[at[3]], "tp"));
    if (!kernel) {
      return false;
    }
    add_kernel(*kernel, table[at[0]], stack, "bf16", number(table[at[5]], latency, -6), sink);
    return true;
  };
}

}  // namespace

RowReader layer_table(const CsvTable& table, const std::string& /*file*/) {
  if (RowReader reader = side_by_side(table, {"tp", "", "_us", -6, ""}); reader && table.column("gpu")) {
    return reader;
  }
  if (RowReader reader = one_by_one(table, "tokens", "time_us", "vllm-0.19-layers")) {
    return reader;
  }
  if (RowReader reader = one_by_one(table, "sequences", "time_us", "vllm-0.19-layers")) {
    return reader;
  }
  return one_by_one(table, "num_tokens", "latency_us", "llmservingsim-v0-layers");
}

RowReader vidur_table(const CsvTable& table, const std::string& file) {
  if (RowReader reader =
          side_by_side(table, {"num_tensor_parallel_workers", "time_stats.", ".median", -3, device_of_path(file)})) {
    return reader;
  }
  for (const std::string_view collective : {"all_reduce", "send_recv"}) {
    const std::string latency = fmt::format("time_stats.{}.median", collective);
    if (!table.has({"rank", "num_workers", "size", "devices_per_node"}) || !table.column(latency)) {
      continue;
    }
    const std::array<std::size_t, 5> at = {*table.column("rank"), *table.column("num_workers"), *table.column("size"),
                                           *table.column("devices_per_node"), *table.column(latency)};
    const std::string device = device_name(device_of_path(file));
    return [&table, at, latency, device, kernel = std::string(collective)](MeasurementSink& sink) {
      if (number(table[at[0]], "rank") != 0) {
        return true;  // the same run, as another rank saw it
      }
      const std::uint32_t key =
          sink.key(kernel, [&] { return MeasurementKey{Family::collective, device, "vidur", "fp16", "", kernel}; });
      sink.add(
          key,
          {number(table[at[2]], "size"), number(table[at[1]], "num_workers"), number(table[at[3]], "devices_per_node")},
          Seconds{number(table[at[4]], latency, -3)});
      return true;
    };
  }
  return {};
}

}  // namespace moesaic
