#include <algorithm>

#include "apps/closed_forms.hpp"
#include "base/nearest.hpp"
#include "model/offload/fetch_bounds.hpp"

namespace moesaic {
namespace {

ClosedFormReport idea_report(const ClosedFormInput& input) {
  return {.form = input.form(), .subject = "", .results = {}};
}

constexpr double kMostFormLayers = 10000, kMostExperts = 1e6;

}  // namespace

const std::vector<ClosedForm>& closed_forms() {
  static const std::vector<ClosedForm> kForms = {
      {"moe-lens", "MoE-Lens: intensity, saturation, KV-limited throughput, a finite batch", moe_lens_report},
      {"roofline", "hierarchical roofline of MoE-Lightning: roofs and turning points", roofline_report},
      {"moe-lightning", "MoE-Lightning's optimizer: cost of a policy of decode, or the best one", lightning_report},
      {"flexgen", "FlexGen's cost model: a policy's times, throughput and memory", flexgen_report},
      {"pre-gated", "Pre-gated MoE: experts fetched on demand, a block ahead, or all", pre_gated_report},
      {"ring-memory", "SE-MoE: layers' experts in a ring of slots", ring_memory_report},
      {"attention-split", "MoE-Gen: decode attention split between CPU and GPU", attention_split_report},
      {"pipelined-layer", "a layer whose resources all overlap, with shared host memory", pipelined_layer_report},
      {"expert-misses", "a token's time when some experts have to be fetched", expert_misses_report},
  };
  return kForms;
}

const ClosedForm& find_closed_form(std::string_view name) {
  std::vector<std::string> names;
  for (const ClosedForm& form : closed_forms()) {
    if (form.name == name) {
      return form;
    }
    names.emplace_back(form.name);
  }
  throw UserError("closed-form: unknown form '" + printable(name) + "'" + suggest(name, names));
}

ClosedFormReport pre_gated_report(const ClosedFormInput& input) {
  ClosedFormReport report = idea_report(input);
  FetchedBlocks blocks{.blocks = input.count("layers", kMostFormLayers),
                       .other = input.quantity_or("other-time", Seconds{}),
                       .gate = input.quantity_or("gate-time", Seconds{}),
                       .experts = input.quantity_or("expert-time", Seconds{}),
                       .held = input.count("experts", kMostExperts),
                       .chosen = 1,
                       .expert = input.quantity<Bytes>("expert-bytes"),
                       .link = input.quantity<BytesPerSecond>("link"),
                       .other_weights = input.quantity_or("other-weights", Bytes{})};
  if (const auto active = input.number_if("active", 1e-9, blocks.held)) {
    blocks.chosen = *active;
  } else {
    const double per_token = input.count_or("top-k", 1, blocks.held);
    blocks.chosen = expected_distinct_experts(blocks.held, per_token, input.number("tokens", 1, 1e12));
  }
  report.add("active", "distinct experts of a block", blocks.chosen);
  const auto add = [&](const std::string& key, const std::string& what, ExpertFetch fetch) {
    const Seconds pass = pass_time(blocks, fetch);
    if (pass > Seconds{}) {
      report.add(key + "_s", what + ": a pass", pass);
      report.add(key + "_per_s", what + ": passes a second", PerSecond{1 / pass.value}.value);
    }
    report.add(key + "_bytes", what + ": weights on the GPU", peak_weights(blocks, fetch));
  };
  add("resident", "all on the GPU", ExpertFetch::resident);
  add("on_demand", "on demand", ExpertFetch::on_demand);
  add("pre_gated", "pre-gated", ExpertFetch::pre_gated);
  add("all_in_advance", "all in advance", ExpertFetch::all_in_advance);
  return report;
}

ClosedFormReport ring_memory_report(const ClosedFormInput& input) {
  ClosedFormReport report = idea_report(input);
  Ring ring{.layers = static_cast<std::int64_t>(input.count("layers", kMostFormLayers)),
            .slots = static_cast<std::int64_t>(input.count("slots", kMostFormLayers)),
            .load = {},
            .compute = input.quantity_or("compute-time", Seconds{})};
  const auto passes = static_cast<std::int64_t>(input.count_or("passes", 1, 1000));
  const auto bytes = input.quantity_if<Bytes>("layer-bytes");
  if (bytes && input.has("load-time")) {
    throw UserError("--load-time: --layer-bytes is given too; one of them is enough");
  }
  if (bytes) {
    ring.load = *bytes / input.quantity<BytesPerSecond>("link");
  } else {
    ring.load = input.quantity<Seconds>("load-time");
  }
  const double slots = static_cast<double>(std::min(ring.slots, ring.layers));
  report.add("load_s", "loading a layer", ring.load);
  report.add("layer_s", "a layer in the steady state", ring_layer_time(ring));
  report.add("pass_s", "a pass in the steady state", static_cast<double>(ring.layers) * ring_layer_time(ring));
  report.add("total_s", "all passes, from empty slots", ring_time(ring, passes));
  report.add_share("memory", "experts on the GPU", slots / static_cast<double>(ring.layers));
  if (bytes) {
    report.add("ring_bytes", "the ring", slots * *bytes);
  }
  return report;
}

ClosedFormReport attention_split_report(const ClosedFormInput& input) {
  ClosedFormReport report = idea_report(input);
  const AttentionSplit split{input.quantity<Seconds>("cpu-time"), input.quantity_or("copy-time", Seconds{}),
                             input.quantity<Seconds>("gpu-time")};
  report.add_share("best_share", "best share on the CPU", best_split(split));
  report.add("best_s", "then", split_time(split, best_split(split)));
  if (input.has("share")) {
    report.add("seconds", "with the share given", split_time(split, input.share_or("share", 0)));
  }
  return report;
}

ClosedFormReport pipelined_layer_report(const ClosedFormInput& input) {
  ClosedFormReport report = idea_report(input);
  const LayerWork work{.gpu = input.quantity_or("gpu-time", Seconds{}),
                       .cpu = input.quantity_or("cpu-time", Seconds{}),
                       .to_gpu = input.quantity_or("to-gpu", Bytes{}),
                       .to_cpu = input.quantity_or("to-cpu", Bytes{}),
                       .cpu_traffic = input.quantity_or("cpu-traffic", Bytes{}),
                       .link = input.quantity<BytesPerSecond>("link"),
                       .cpu_bandwidth = input.quantity<BytesPerSecond>("cpu-bandwidth")};
  report.add("layer_s", "a layer", pipelined_layer_time(work));
  report.add("to_gpu_s", "to the GPU", work.to_gpu / work.link);
  report.add("to_cpu_s", "to the CPU", work.to_cpu / work.link);
  report.add("host_memory_s", "host memory", (work.cpu_traffic + work.to_gpu + work.to_cpu) / work.cpu_bandwidth);
  return report;
}

ClosedFormReport expert_misses_report(const ClosedFormInput& input) {
  ClosedFormReport report = idea_report(input);
  const ExpertMisses misses{.layers = input.count("layers", kMostFormLayers),
                            .per_token = input.count_or("top-k", 1, kMostExperts),
                            .hit = input.share_or("hit", 0),
                            .expert = input.quantity<Bytes>("expert-bytes"),
                            .link = input.quantity<BytesPerSecond>("link"),
                            .resident = input.quantity<Seconds>("resident-time"),
                            .window = input.quantity_or("window", Seconds{})};
  const Seconds token = token_time(misses);
  report.add("token_s", "a token", token);
  report.add("tokens_per_s", "tokens", PerSecond{1 / token.value});
  report.add("over_resident", "over all on the GPU", token / misses.resident);
  return report;
}

}  // namespace moesaic
