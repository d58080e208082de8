#include "calibrate/software_terms.hpp"

#include <array>
#include <cmath>

#include "base/catalog.hpp"

namespace moesaic {
namespace {

double loss(std::span<const MeasuredSum> rows, const SoftwareTerms& terms) {
  double sum = 0, weight = 0;
  for (const MeasuredSum& row : rows) {
    sum += row.importance * std::abs(std::log(time_of(row.steps, terms.on_host(row.host_pace)) / row.measured));
    weight += row.importance;
  }
  return sum / std::max(weight, 1e-300);
}

}  // namespace

Software read_software(const Config& config) {
  Software software;
  software.name = config.at("name").string();
  const Config steps = config.at("steps");
  const auto seconds = [&](const char* key) {
    const auto value = steps.find(key);
    return value ? value->quantity<Seconds>() : Seconds{};
  };
  software.terms = {.host_time = seconds("host_time"),
                    .sampling = seconds("sampling"),
                    .kernel_gap = seconds("kernel_gap"),
                    .launch = seconds("launch"),
                    .prompt_token = seconds("prompt_token"),
                    .graphs = steps.boolean_or("graphs", true),
                    .shares_cache = steps.boolean_or("shares_cache", true)};
  if (const auto paces = config.find("host_pace")) {
    for (const std::string& device : paces->keys()) {
      const Config value = paces->at(device);
      software.host_pace[device] = value.number();
      if (!(value.number() > 0 && value.number() <= 100)) {
        value.fail("must be above 0 and at most 100");
      }
    }
  }
  if (const auto kernels = config.find("kernels")) {
    software.kernels = read_engine_kernels(*kernels);
  }
  if (const auto reserve = config.find("memory_reserve")) {
    software.memory_reserve = reserve->number();
    if (!(*software.memory_reserve >= 0 && *software.memory_reserve < 1)) {
      reserve->fail("must be at least 0 and below 1 (a share of the device's memory)");
    }
  }
  config.ignore(std::array<std::string_view, 4>{"kind", "version", "description", "sources"});
  config.reject_unknown();
  return software;
}

double Software::pace(const std::string& device) const {
  const auto found = host_pace.find(device);
  return found == host_pace.end() ? 1 : found->second;
}

std::vector<Software> shipped_software() {
  std::vector<Software> all;
  for (const CatalogEntry& entry : list_catalog("software")) {
    all.push_back(read_software(Config::load(entry.file)));
  }
  return all;
}

const Software* find_software(const std::vector<Software>& all, const std::string& name) {
  const auto found = std::find_if(all.begin(), all.end(), [&](const Software& s) { return s.name == name; });
  return found == all.end() ? nullptr : &*found;
}

Seconds time_of(const std::vector<WeightedParts>& steps, const SoftwareTerms& terms) {
  Seconds sum;
  for (const WeightedParts& step : steps) {
    sum += terms.step(step.parts) * step.weight;
  }
  return sum;
}

SoftwareTerms fit_software_terms(std::span<const MeasuredSum> rows, const SoftwareTerms& known) {
  SoftwareTerms best{.graphs = known.graphs, .shares_cache = known.shares_cache};
  if (rows.empty()) {
    return best;
  }
  struct Searched {
    Seconds SoftwareTerms::*term;
    double step;  ///< seconds
    double finest;
  };
  // First steps are about what engines were seen to take, so that the search starts on their scale.
  std::array<Searched, 5> searched{{{&SoftwareTerms::host_time, 4e-3, 1e-6},
                                    {&SoftwareTerms::kernel_gap, 4e-6, 1e-9},
                                    {&SoftwareTerms::launch, 16e-6, 1e-9},
                                    {&SoftwareTerms::prompt_token, 16e-6, 1e-9},
                                    {&SoftwareTerms::sampling, 64e-6, 1e-8}}};
  double least = loss(rows, best);
  for (bool finer = true; finer;) {
    bool moved = false;
    finer = false;
    for (Searched& item : searched) {
      bool helped = false;
      for (const double direction : {1.0, -1.0}) {
        SoftwareTerms tried = best;
        (tried.*item.term).value = std::max(0.0, (best.*item.term).value + direction * item.step);
        const double tried_loss = loss(rows, tried);
        if (tried_loss < least * (1 - 1e-9)) {
          least = tried_loss;
          best = tried;
          helped = moved = true;
          break;
        }
      }
      if (!helped && item.step > item.finest) {
        item.step /= 2;
        finer = true;
      }
    }
    finer = finer || moved;
  }
  return best;
}

}  // namespace moesaic
