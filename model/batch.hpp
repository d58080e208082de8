// What one step of the network processes.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

namespace moesaic {

/// `sequences` sequences of equal shape: `new_tokens` tokens each, after `context` cached ones.
struct BatchGroup {
  double sequences = 0;
  double new_tokens = 0;
  double context = 0;
  bool operator==(const BatchGroup&) const = default;
};

/// The sequences of one replica in one step. A step may mix prefill and decode.
struct Batch {
  std::vector<BatchGroup> groups;

  double sequences() const;
  double tokens() const;
  static Batch decode(double sequences, double context) { return {{{sequences, 1, context}}}; }
  static Batch prefill(double sequences, double tokens, double context = 0) { return {{{sequences, tokens, context}}}; }
};

}  // namespace moesaic
