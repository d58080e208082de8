#include "reports/summary.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/error.hpp"
#include "base/quantity_text.hpp"
#include "reports/names.hpp"

namespace moesaic {
namespace {

constexpr double kNoTime = std::numeric_limits<double>::quiet_NaN();

std::string shortage(const Prediction& prediction) {
  const MemoryFootprint& device = prediction.memory.device;
  const MemoryFootprint& host = prediction.memory.host;
  std::vector<std::string> parts;
  if (!device.fits()) {
    parts.push_back(fmt::format("short by {} per device", to_text(-device.free())));
  }
  if (const MemoryFootprint& apart = prediction.memory.apart; !apart.fits()) {
    parts.push_back(fmt::format("short by {} near memory, per device", to_text(-apart.free())));
  }
  if (host.total() > Bytes{0} && !host.fits()) {
    parts.push_back(fmt::format("short by {} of host memory", to_text(-host.free())));
  }
  if (const MemoryFootprint& storage = prediction.memory.storage; storage.total() > storage.capacity) {
    parts.push_back(fmt::format("short by {} of storage", to_text(-storage.free())));
  }
  return fmt::format("{}", fmt::join(parts, " and "));
}

std::vector<std::string> advice(const FitAdvice& advice) {
  std::vector<std::string> parts;
  parts.push_back(advice.largest_batch >= 1 ? "largest batch " + count_text(advice.largest_batch)
                                            : "no batch fits at this context");
  parts.push_back(advice.longest_context >= 1 ? "longest context " + count_text(advice.longest_context)
                                              : "no context fits this batch");
  if (advice.fewest_devices) {
    const std::string mapping = advice.fewest_mapping ? " (" + *advice.fewest_mapping + ")" : "";
    parts.push_back("fewest devices " + count_text(static_cast<double>(*advice.fewest_devices)) + mapping);
  }
  if (advice.smaller_type) {
    parts.push_back(printable(*advice.smaller_type) + " would fit");
  }
  if (advice.experts_on_device) {
    // Cut off, so that what is read here fits.
    parts.push_back(
        fmt::format("placement.experts.device={} would fit", std::floor(*advice.experts_on_device * 1e4) / 1e4));
  }
  if (advice.host_has_room) {
    parts.push_back("the host has room for the rest (moesaic offload)");
  }
  return parts;
}

}  // namespace

bool runs(const Prediction& prediction) { return prediction.running_batch > 0; }

std::string verdict_text(const Prediction& prediction) {
  const ReplicaMemory& memory = prediction.memory;
  if (prediction.fits) {
    std::string text =
        fmt::format("fits: {} of {} per device", to_text(memory.device.total()), to_text(memory.device.capacity));
    if (memory.apart.capacity > Bytes{0}) {
      text += fmt::format(", {} of {} near memory", to_text(memory.apart.total()), to_text(memory.apart.capacity));
    }
    if (memory.host.total() > Bytes{0}) {
      text += fmt::format(", {} of {} on the host", to_text(memory.host.total()), to_text(memory.host.capacity));
    }
    if (memory.storage.total() > Bytes{0}) {
      text +=
          fmt::format(", {} of {} on its storage", to_text(memory.storage.total()), to_text(memory.storage.capacity));
    }
    return text;
  }
  std::vector<std::string> parts = advice(prediction.advice);
  if (std::string missing = shortage(prediction); !missing.empty()) {
    parts.insert(parts.begin(), std::move(missing));
  }
  return fmt::format("DOES NOT FIT: {}", fmt::join(parts, "; "));
}

std::string verdict_note(const Prediction& prediction) {
  const auto batch = static_cast<double>(prediction.load.batch);
  if (!runs(prediction)) {
    return "Nothing runs, so there are no times.";
  }
  if (prediction.running_batch < batch) {
    return fmt::format("Times are for {} {} running at once; the other {} of the batch wait their turn.",
                       count_text(prediction.running_batch), prediction.running_batch == 1 ? "request" : "requests",
                       count_text(batch - prediction.running_batch));
  }
  return "";
}

namespace {

/// "; 90%: 8.9 to 11.2 ms", or nothing where a cost model promises nothing.
std::string range_text(Seconds value, const Interval& interval) {
  if (interval.high90 <= 1) {
    return "";
  }
  return fmt::format("; 90%: {} to {}", to_text(value * interval.low90), to_text(value * interval.high90));
}

}  // namespace

std::vector<Metric> metrics(const Prediction& p) {
  const auto rate = [](std::string name, PerSecond value, std::string remark) {
    return Metric{std::move(name), value.value, rate_text(value), std::move(remark), Better::more};
  };
  const auto cost = [](std::string name, auto value, std::string remark, const char* unknown) {
    const bool known = value.value > 0;
    return Metric{std::move(name), known ? value.value : kNoTime, known ? to_text(value) : "-",
                  known ? std::move(remark) : unknown, Better::less};
  };
  std::vector<Metric> result{
      cost("time to first token (TTFT)", p.ttft,
           "until the last running prompt is done" + range_text(p.ttft, p.ttft_interval), ""),
      cost("time per output token (TPOT)", p.tpot,
           "mean step of a running request" + range_text(p.tpot, p.tpot_interval), "no decode steps"),
      cost("end to end", p.end_to_end,
           "until the whole batch is done" + range_text(p.end_to_end, p.end_to_end_interval), ""),
      rate("output tokens/s", p.output_tokens, "over the whole batch"),
      rate("output tokens/s per device", p.output_tokens_per_device, ""),
      rate("output tokens/s while decoding", p.decode_tokens, "prefill left out"),
      rate("total tokens/s", p.total_tokens, "prompts included"),
      cost("energy per output token", p.energy_per_token, "prefill, all devices and hosts included",
           "the machine states no power"),
      cost("cost per million output tokens", p.per_million_tokens, "rent of all devices",
           "the machine states no price"),
  };
  if (!runs(p)) {
    for (Metric& metric : result) {
      metric.value = kNoTime;
      metric.text = "-";
      metric.remark = "";
    }
  }
  return result;
}

std::vector<Fact> question(const Prediction& p) {
  return {
      {"model", fmt::format("{}, {}", printable(p.model), printable(p.precision))},
      {"machine", fmt::format("{}, {} device{}, {}", printable(p.machine), p.devices, p.devices == 1 ? "" : "s",
                              printable(p.mapping))},
      {"placement", printable(p.placement)},
      {"load",
       fmt::format("{} request{} of {} + {} tokens, prefill steps of at most {} tokens",
                   count_text(static_cast<double>(p.load.batch)), p.load.batch == 1 ? "" : "s",
                   count_text(static_cast<double>(p.load.input)), count_text(static_cast<double>(p.load.output)),
                   count_text(static_cast<double>(p.load.step_tokens)))},
      {"cost model", printable(p.cost_model)},
  };
}

std::vector<NamedPhase> phases(const Prediction& prediction) {
  return {{"decode", "decoding one token of every request", &prediction.decode},
          {"prefill", "prefill of the whole batch", &prediction.prefill}};
}

std::vector<WaterfallBar> shown_bars(const PhasePrediction& phase) {
  constexpr double kNothing = 1e-9;  // of the phase: differences that are rounding errors
  std::vector<WaterfallBar> result = phase.waterfall;
  std::erase_if(result, [&phase](const WaterfallBar& bar) {
    return !(std::abs(bar.seconds.value) > kNothing * phase.seconds.value);
  });
  return result;
}

std::vector<EnergyPart> energy_parts(const Prediction& prediction) {
  const WorkEnergy& energy = prediction.work_energy;
  std::vector<EnergyPart> parts;
  if (!energy.known()) {
    return parts;
  }
  for (const UnitWorkEnergy& unit : energy.units) {
    if (const Joules sum = unit.memory + unit.arithmetic; sum > Joules{}) {
      parts.push_back({unit.unit, to_text(unit.memory), to_text(unit.arithmetic), sum / energy.total()});
    }
  }
  if (energy.links > Joules{}) {
    parts.push_back({"links", to_text(energy.links), "", energy.links / energy.total()});
  }
  return parts;
}

const std::vector<MemoryClass>& memory_classes() {
  static const std::vector<MemoryClass> classes{
      {"weights", "weights", &MemoryFootprint::weights},
      {"kv", "KV cache", &MemoryFootprint::kv},
      {"state", "recurrent state", &MemoryFootprint::state},
      {"activations", "activations", &MemoryFootprint::activations},
      {"buffers", "buffers", &MemoryFootprint::buffers},
      {"reserve", "runtime reserve", &MemoryFootprint::reserve},
  };
  return classes;
}

std::vector<Elasticity> sorted_elasticity(const Prediction& prediction) {
  std::vector<Elasticity> result = prediction.elasticity;
  std::stable_sort(result.begin(), result.end(),
                   [](const Elasticity& a, const Elasticity& b) { return a.throughput > b.throughput; });
  return result;
}

std::vector<Elasticity> strongest_elasticity(const Prediction& prediction) {
  constexpr std::size_t kMost = 8;
  constexpr double kNone = 0.0005;  // gains that would be written as 0.0%
  std::vector<Elasticity> result = sorted_elasticity(prediction);
  std::erase_if(result, [](const Elasticity& one) { return std::abs(gain_of_ten_percent(one)) < kNone; });
  result.resize(std::min(result.size(), kMost));
  return result;
}

double gain_of_ten_percent(const Elasticity& elasticity) { return 0.1 * elasticity.throughput; }

Seconds total_time(const std::vector<OperatorRow>& rows) {
  Seconds total;
  for (const OperatorRow& row : rows) {
    total += row.time * row.count;
  }
  return total;
}

std::vector<SharedUse> utilisation(const Prediction& prediction) {
  std::vector<SharedUse> result;
  const auto collect = [&result](const PhasePrediction& phase, double SharedUse::*share) {
    for (const ResourceUse& use : phase.resources) {
      auto found = std::find_if(result.begin(), result.end(),
                                [&use](const SharedUse& other) { return other.resource == use.resource; });
      if (found == result.end()) {
        found = result.insert(found, SharedUse{use.resource, 0, 0});
      }
      (*found).*share = std::max((*found).*share, use.utilisation);  // both directions of a link have one path
    }
  };
  collect(prediction.decode, &SharedUse::decode);
  collect(prediction.prefill, &SharedUse::prefill);
  constexpr double kIdle = 0.0005;
  std::erase_if(result, [](const SharedUse& use) { return use.prefill < kIdle && use.decode < kIdle; });
  return result;
}

}  // namespace moesaic
