// A serving machine whose steps cost what a formula says.
#pragma once

#include "sim/admission.hpp"

namespace moesaic {

/// Seconds of a step: base + decode (each) + cached (each token that a decode reads) + prompt (each token).
struct FakeStep {
  double base = 5e-3, decode = 2e-5, cached = 1e-8, prompt = 3e-6;
  double operator()(double decodes, double context, double prompt_tokens) const {
    return base + decodes * (decode + cached * context) + prompt * prompt_tokens;
  }
};

/// `most_tokens`: that all requests at once may reach.
inline ServingSystem fake_server(const FakeStep& step = {}, double most_tokens = 1e12) {
  ServingSystem system;
  system.step = [step](const Batch& batch) {
    double seconds = step.base;
    for (const BatchGroup& group : batch.groups) {
      seconds += group.new_tokens == 1 ? group.sequences * (step.decode + step.cached * group.context)
                                       : group.sequences * group.new_tokens * step.prompt;
    }
    return Seconds{seconds};
  };
  system.fits = [most_tokens](double requests, double context) { return requests * context <= most_tokens; };
  return system;
}

inline ServingLoad load_of(const std::string& input, const std::string& output, std::int64_t batch) {
  ServingLoad load;
  load.requests.input = parse_lengths("--input", input);
  load.requests.output = parse_lengths("--output", output);
  load.rules.batch = batch;
  return load;
}

}  // namespace moesaic
