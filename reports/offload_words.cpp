#include <fmt/format.h>

#include <array>

#include "base/quantity_text.hpp"
#include "reports/names.hpp"
#include "reports/offload.hpp"

namespace moesaic {
namespace {

/// "through 2 buffers": of what is copied in layer by layer.
std::string buffers_text(int layers) { return fmt::format("layer by layer, through {} buffers", layers); }

std::string missing_text(const HybridDescription& is) {
  const std::string slots = is.expert_slots > 0 ? fmt::format("one by one, through {} slots", is.expert_slots) : "";
  switch (is.missing) {
    case MissingExperts::host:
      return "computed by the host";
    case MissingExperts::cheaper:
      return "computed by the host or copied in, whichever is faster for the tokens that they have";
    case MissingExperts::balanced:
      return "divided between host and link so that both end together";
    case MissingExperts::fetched:
      return (is.prefetch_accuracy > 0
                  ? fmt::format("copied in, {} of the chosen ones foreseen", percent_text(is.prefetch_accuracy))
                  : "copied in once they are chosen") +
             (slots.empty() ? "" : ", " + slots);
    case MissingExperts::streamed:
      break;
  }
  return "all copied in ahead, " + (slots.empty() ? buffers_text(is.buffered_layers) : slots);
}

std::string cached_text(const HybridDescription& is) {
  return is.cached ? fmt::format(", a cache ({}) that has {} of what tokens choose", is.cached->policy,
                                 percent_text(is.hits.value_or(0)))
                   : "";
}

std::string experts_text(const OffloadRow& row) {
  const HybridDescription& is = row.candidate.description;
  if (row.experts <= 0) {
    return "";
  }
  if (row.experts_on_device >= row.experts) {
    return "all on the device";
  }
  return fmt::format("{} of {} on the device{}, the others {}", count_text(row.experts_on_device),
                     count_text(row.experts), cached_text(is), is.on_host ? "computed by the host" : missing_text(is));
}

std::string dense_text(const HybridDescription& is) {
  if (is.on_host) {
    return is.device_layers > 0
               ? fmt::format("those of the first {} layers on the device, the others on the host", is.device_layers)
               : "on the host";
  }
  if (is.dense_on_device >= 1) {
    return "on the device";
  }
  const std::string way = "copied in ahead, " + buffers_text(is.buffered_layers);
  return is.dense_on_device <= 0 ? "on the host, " + way
                                 : percent_text(is.dense_on_device) + " on the device, the rest " + way;
}

std::string cache_home(const HybridDescription& is) {
  if (is.on_host) {
    return "where its layer is";
  }
  if (is.cache_on_device >= 1) {
    return "on the device";
  }
  const std::string rest =
      is.host_attention > 0 ? "on the host, which computes decode attention beside it" : "on the host, copied in";
  return is.cache_on_device <= 0 ? rest : percent_text(is.cache_on_device) + " on the device, the rest " + rest;
}

}  // namespace

std::string kind_name(OffloadKind kind) {
  constexpr std::array kNames = {"all weights on the device",
                                 "experts computed by the host",
                                 "experts where it is faster",
                                 "experts divided, host and link",
                                 "chosen experts copied in",
                                 "weights streamed",
                                 "layers divided",
                                 "everything on the host"};
  return kNames[static_cast<std::size_t>(kind)];
}

std::vector<PlacementFact> placement_facts(const OffloadRow& row) {
  const HybridDescription& is = row.candidate.description;
  std::vector<PlacementFact> facts;
  if (const std::string experts = experts_text(row); !experts.empty()) {
    facts.push_back({"experts", experts});
  }
  facts.push_back({"other weights", dense_text(is)});
  facts.push_back({"cache", cache_home(is)});
  if (is.weights_on_storage > 0) {
    facts.push_back({"storage", percent_text(is.weights_on_storage) + " of the host's weights"});
  }
  facts.push_back(
      {"steps",
       fmt::format(
           "{} of decoding, prefill in steps of at most {} tokens{}",
           is.batches > 1 ? fmt::format("{} micro-batches that take turns", is.batches) : std::string("one batch"),
           integer_text(row.candidate.load.step_tokens),
           is.tokens_at_once > 0 ? fmt::format("; operators work on {} at once", count_text(is.tokens_at_once)) : "")});
  return facts;
}

std::string placement_sentence(const OffloadRow& row) {
  std::string text;
  for (const PlacementFact& fact : placement_facts(row)) {
    text += fmt::format("{}{}: {}", text.empty() ? "" : "; ", fact.name, fact.value);
  }
  return text;
}

std::string binding_resource(const OffloadReport& report, const OffloadRow& row) {
  if (report.stream && row.stream) {
    return row.stream->pass.limit.resource;
  }
  const SearchObjective objective = report.goal.objective;
  const Prediction& p = row.prediction;
  const Seconds decoding = p.decode.seconds * static_cast<double>(row.candidate.load.output - 1);
  const bool prefill =
      objective == SearchObjective::first || (objective == SearchObjective::throughput && p.prefill.seconds > decoding);
  return prefill ? p.prefill.limit.resource : p.decode.limit.resource;
}

}  // namespace moesaic
