// Prompts of admitted requests that have no token yet, and which of them a step works on.
#pragma once

#include <cstdint>
#include <deque>
#include <vector>

#include "model/batch.hpp"

namespace moesaic {

/// Which requests a step takes.
struct AdmissionRules {
  std::int64_t batch = 1;  ///< most requests at once; of a closed loop also how many users there are
  /// Prompts have steps of their own, while which all decodes wait; else they ride on decode steps (mixed ones).
  bool exclusive = false;
  bool whole_prompts = false;  ///< a step takes whole prompts, one at least; else prompts are cut (chunked prefill)
  std::int64_t step_tokens = 8192;  ///< most tokens of one step of a group of data-parallel attention, decodes included
};

/// First come, first served.
class PromptQueue {
 public:
  /// `groups` of data-parallel attention, over which prompts are spread evenly.
  PromptQueue(const AdmissionRules& rules, std::int64_t groups) : rules_(rules), groups_(groups) {}

  void add(std::uint32_t request, std::int64_t tokens) { waiting_.push_back({request, tokens}); }
  bool empty() const { return waiting_.empty(); }

  /// Chooses what the next step works on beside `decodes` decodes. `begun`: requests of which it is the first step.
  void choose(std::int64_t decodes, std::vector<std::uint32_t>& begun);
  std::int64_t chosen_tokens() const;
  /// The chosen prompts as groups of equal ones. Those of about the same length, within half an octave, are one group
  /// with their mean, as one call of a kernel takes them; parts of prompts stay by themselves. Of data-parallel groups
  /// the fullest counts, which has the mean of all.
  std::vector<BatchGroup> batch_groups() const;
  /// The step is over: appends the requests whose prompts are finished.
  void finish_step(std::vector<std::uint32_t>& finished);

 private:
  struct Prompt {
    std::uint32_t request;
    std::int64_t tokens;
    std::int64_t done = 0;
    std::int64_t chosen = 0;
  };

  const AdmissionRules& rules_;
  std::int64_t groups_;
  std::deque<Prompt> waiting_;
  std::size_t chosen_ = 0;  // of the first ones
};

}  // namespace moesaic
