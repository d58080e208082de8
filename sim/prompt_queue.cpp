#include "sim/prompt_queue.hpp"

#include <algorithm>
#include <cmath>

namespace moesaic {
namespace {

constexpr std::int64_t kAnyLength = -1, kAlone = -2;

std::int64_t half_octaves(std::int64_t tokens) {
  return static_cast<std::int64_t>(std::floor(2 * std::log2(static_cast<double>(tokens))));
}

}  // namespace

void PromptQueue::choose(std::int64_t decodes, std::vector<std::uint32_t>& begun) {
  const std::int64_t beside = rules_.exclusive ? 0 : decodes;
  std::int64_t room = std::max<std::int64_t>(1, rules_.step_tokens * groups_ - beside);
  const std::int64_t of_group = std::max<std::int64_t>(1, rules_.step_tokens - (beside + groups_ - 1) / groups_);
  for (chosen_ = 0; chosen_ < waiting_.size() && room > 0; ++chosen_) {
    Prompt& prompt = waiting_[chosen_];
    const std::int64_t left = prompt.tokens - prompt.done;
    if (rules_.whole_prompts && chosen_ > 0 && left > room) {
      break;
    }
    prompt.chosen = rules_.whole_prompts ? left : std::min({left, room, of_group});
    room -= prompt.chosen;
    if (prompt.done == 0) {
      begun.push_back(prompt.request);
    }
  }
}

std::int64_t PromptQueue::chosen_tokens() const {
  std::int64_t tokens = 0;
  for (std::size_t i = 0; i < chosen_; ++i) {
    tokens += waiting_[i].chosen;
  }
  return tokens;
}

std::vector<BatchGroup> PromptQueue::batch_groups() const {
  struct Alike {
    std::int64_t length, prompts, tokens, context;
  };
  std::vector<Alike> sums;
  for (std::size_t i = 0; i < chosen_; ++i) {
    const Prompt& prompt = waiting_[i];
    const std::int64_t length = groups_ > 1 ? kAnyLength : prompt.done > 0 ? kAlone : half_octaves(prompt.chosen);
    auto same = std::find_if(sums.begin(), sums.end(), [&](const Alike& sum) { return sum.length == length; });
    if (length == kAlone || same == sums.end()) {
      same = sums.insert(sums.end(), {length, 0, 0, 0});
    }
    ++same->prompts;
    same->tokens += prompt.chosen;
    same->context += prompt.done;
  }
  std::vector<BatchGroup> groups;
  for (const Alike& sum : sums) {
    const auto prompts = static_cast<double>(sum.prompts);
    groups.push_back({prompts, static_cast<double>(sum.tokens) / prompts, static_cast<double>(sum.context) / prompts});
  }
  return groups;
}

void PromptQueue::finish_step(std::vector<std::uint32_t>& finished) {
  const auto end = waiting_.begin() + static_cast<std::ptrdiff_t>(chosen_);
  for (auto prompt = waiting_.begin(); prompt != end; ++prompt) {
    prompt->done += prompt->chosen;
    if (prompt->done == prompt->tokens) {
      finished.push_back(prompt->request);
    }
  }
  // With several groups a prompt may be done before one that came earlier.
  const auto done = [](const Prompt& prompt) { return prompt.done == prompt.tokens; };
  waiting_.erase(std::remove_if(waiting_.begin(), end, done), end);
  chosen_ = 0;
}

}  // namespace moesaic
