// What a serving engine adds to the kernels of a step: named terms of its software, fitted on measured steps.
#pragma once

#include <algorithm>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/config.hpp"
#include "base/quantity.hpp"
#include "calibrate/engine_kernels.hpp"

namespace moesaic {

/// What of a step the terms depend on.
struct StepParts {
  Seconds device{};       ///< kernels, collectives and copies, back to back
  double launches = 0;    ///< kernels and collectives
  Seconds unshared{};     ///< more, if every query head reads keys and values of its own accord
  double sequences = 0;   ///< of this rank, that get a token
  double tokens = 0;      ///< of this rank
  bool captured = false;  ///< nothing but decoding: the engine may replay a captured graph
};

/// Terms of one engine. All zero: steps are their kernels.
struct SoftwareTerms {
  Seconds host_time{};     ///< of a step, with the device idle: scheduling, preparing inputs, handing out tokens
  Seconds sampling{};      ///< for every sequence: its sampling parameters, its token's text
  Seconds kernel_gap{};    ///< device idle between two kernels
  Seconds launch{};        ///< host time to launch one kernel of a step that was not captured; runs ahead of the device
  Seconds prompt_token{};  ///< for every token of a step with prompts: unfused kernels and copies of its activations
  bool graphs = true;      ///< decode steps are captured as graphs
  /// Decode attention reads the cache once for all query heads that share it. vLLM's first paged attention gave each
  /// query head a thread block of its own, which read it again (csrc/attention of vLLM 0.1 to 0.2).
  bool shares_cache = true;

  /// The same where host work takes `pace` times as long.
  SoftwareTerms on_host(double pace) const {
    SoftwareTerms terms = *this;
    terms.host_time = host_time * pace;
    terms.sampling = sampling * pace;
    terms.launch = launch * pace;
    return terms;
  }
  /// host_time + sampling * sequences + prompt_token * tokens (where there are prompts) + the longer of the device
  /// (with its gaps) and, where nothing was captured, of the host that launches one kernel after another. Grows with
  /// every part and every term.
  Seconds step(const StepParts& parts) const {
    const Seconds device = parts.device + kernel_gap * parts.launches + (shares_cache ? Seconds{} : parts.unshared);
    const Seconds host = graphs && parts.captured ? Seconds{} : launch * parts.launches;
    return host_time + sampling * parts.sequences + (parts.captured ? Seconds{} : prompt_token * parts.tokens) +
           std::max(device, host);
  }
};

/// Terms with their origin, as configs/software/NAME.json has them.
struct Software {
  std::string name;  ///< "vllm"
  SoftwareTerms terms;
  /// How many times longer host work takes in machines of a device than where the terms were fitted: their host is
  /// older.
  std::map<std::string, double> host_pace{};
  std::optional<EngineKernels> kernels{};  ///< of its own: where the engine runs networks on a device and its host
  /// Of the device's memory, what it does not give to weights, caches and activations; none: as profiles say.
  std::optional<double> memory_reserve{};

  double pace(const std::string& device) const;
  SoftwareTerms on(const std::string& device) const { return terms.on_host(pace(device)); }
};
/// Throws UserError.
Software read_software(const Config& config);
/// The shipped terms of an engine. None for an engine that nobody has fitted.
const Software* find_software(const std::vector<Software>& all, const std::string& name);
std::vector<Software> shipped_software();

/// One measured time as a sum of steps: `weight` of each.
struct WeightedParts {
  double weight = 1;
  StepParts parts;
};
struct MeasuredSum {
  Seconds measured;
  std::vector<WeightedParts> steps;
  double importance = 1;
  double host_pace = 1;
};
Seconds time_of(const std::vector<WeightedParts>& steps, const SoftwareTerms& terms);

/// The terms that make the weighted mean of |log(predicted / measured)| least; none is negative. Deterministic: a
/// pattern search from zero over each term in turn. What is no time (graphs, shares_cache) stays as in `known`.
SoftwareTerms fit_software_terms(std::span<const MeasuredSum> rows, const SoftwareTerms& known);

}  // namespace moesaic
