#include "sim/step_memory.hpp"

namespace moesaic {
namespace {

constexpr std::size_t kMostMixed = std::size_t{1} << 16;

Batch batch_of(std::int64_t decodes, double context, const std::vector<BatchGroup>& prompts) {
  Batch batch;
  if (decodes > 0) {
    batch.groups.push_back({static_cast<double>(decodes), 1, context});
  }
  batch.groups.insert(batch.groups.end(), prompts.begin(), prompts.end());
  return batch;
}

}  // namespace

StepCurve StepMemory::curve(std::int64_t decodes, const std::vector<BatchGroup>& prompts) const {
  return StepCurve([&system = system_, decodes, prompts](double context) {
    return system.step(batch_of(decodes, context, prompts));
  });
}

StepRamp StepMemory::decode_steps(std::int64_t decodes, double context, std::int64_t most) {
  auto at = decodes_.find(decodes);
  if (at == decodes_.end()) {
    at = decodes_.emplace(decodes, curve(decodes, {})).first;
  }
  return at->second.ramp(context, most);
}

Seconds StepMemory::mixed_step(std::int64_t decodes, double context, const std::vector<BatchGroup>& prompts) {
  if (mixed_.size() >= kMostMixed) {
    mixed_.clear();
  }
  std::vector<double> key{static_cast<double>(decodes)};
  for (const BatchGroup& group : prompts) {
    key.insert(key.end(), {group.sequences, group.new_tokens, group.context});
  }
  const auto [at, fresh] = mixed_.try_emplace(std::move(key));
  if (fresh) {
    return system_.step(batch_of(decodes, context, prompts));
  }
  if (!at->second) {
    at->second = curve(decodes, prompts);
  }
  return at->second->ramp(context, 1).first;
}

}  // namespace moesaic
