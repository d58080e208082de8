#include "sim/search_rows.hpp"

#include <algorithm>
#include <cmath>

namespace moesaic {
namespace {

/// The waterfall of a phase from nothing to its prediction, every part times `factor`.
void add_phase(const std::string& name, const PhasePrediction& phase, double factor, std::vector<SearchCost>& costs) {
  costs.push_back(
      {name + ".limit", name + " at its limit (" + phase.limit.resource + ")", phase.limit.seconds * factor});
  for (const WaterfallBar& bar : phase.waterfall) {
    costs.push_back({name + "." + bar.id, name + ": " + bar.name, bar.seconds * factor});
  }
}

}  // namespace

SearchRow serving_row(const ServingSpace& space, const SearchHit& hit, SearchObjective objective) {
  const Load load = space.load(hit);
  const Prediction prediction = predict(space.deployment(hit.mapping), load);
  SearchRow row;
  row.mapping = prediction.mapping;
  row.copies = space.copies(hit.mapping);
  row.devices = prediction.devices;
  row.batch = load.batch;
  row.setting = "batch " + std::to_string(load.batch);
  row.figures = {prediction.tpot, prediction.ttft, prediction.output_tokens_per_device};
  const MemoryFootprint &device = prediction.memory.device, &apart = prediction.memory.apart;
  const bool fuller = apart.capacity > Bytes{} && apart.total() / apart.capacity > device.total() / device.capacity;
  row.memory = fuller ? apart.total() : device.total();
  row.capacity = fuller ? apart.capacity : device.capacity;
  const double output = static_cast<double>(load.output);
  const double share = objective == SearchObjective::throughput
                           ? static_cast<double>(prediction.devices) / (static_cast<double>(load.batch) * output)
                           : 1;
  if (objective != SearchObjective::pace) {
    add_phase("prefill", prediction.prefill, share, row.costs);
  }
  if (objective != SearchObjective::first) {
    add_phase("decode", prediction.decode, objective == SearchObjective::throughput ? share * (output - 1) : 1,
              row.costs);
  }
  return row;
}

std::vector<SearchCost> cost_differences(const SearchRow& other, const SearchRow& than) {
  std::vector<SearchCost> differences = other.costs;
  for (SearchCost& cost : differences) {
    const auto same =
        std::find_if(than.costs.begin(), than.costs.end(), [&](const SearchCost& c) { return c.id == cost.id; });
    cost.seconds -= same != than.costs.end() ? same->seconds : Seconds{0};
  }
  for (const SearchCost& cost : than.costs) {
    const bool both =
        std::any_of(other.costs.begin(), other.costs.end(), [&](const SearchCost& c) { return c.id == cost.id; });
    if (!both) {
      differences.push_back({cost.id, cost.name, Seconds{} - cost.seconds});
    }
  }
  std::stable_sort(differences.begin(), differences.end(), [](const SearchCost& a, const SearchCost& b) {
    return std::abs(a.seconds.value) > std::abs(b.seconds.value);
  });
  return differences;
}

}  // namespace moesaic
