#include "sim/serving_system.hpp"

#include <algorithm>
#include <cmath>

#include "sim/pipelined_step.hpp"

namespace moesaic {
namespace {

/// Evaluates steps of a deployment. Over pipeline stages a step goes round in as many micro-batches as there are
/// stages, each with its share of the decodes and of the prompts' tokens.
class ServingClock {
 public:
  explicit ServingClock(const Deployment& deployment)
      : mapping_(deployment.plan.mapping()), steps_(deployment.plan, *deployment.cost) {
    steps_.remember(&pieces_);
    steps_.only_totals();
  }

  Seconds operator()(const Batch& batch) {
    if (mapping_.pipeline == 1) {
      steps_.pass(batch, {}, graph_, pass_);
      return pass_.slowest.total;
    }
    double most = 1;  // micro-batches: no smaller than one decode or one token of a prompt
    for (const BatchGroup& group : batch.groups) {
      most = std::max(most, std::ceil(group.sequences / mapping_.data) * group.new_tokens);
    }
    const double parts = decode_micro_batches(mapping_.pipeline, most);
    part_.groups.clear();
    for (const BatchGroup& group : batch.groups) {
      part_.groups.push_back(share(group, parts));
    }
    steps_.at_work(parts);
    steps_.pass(part_, {}, graph_, pass_);
    round_of(pass_, parts, round_);
    return round_.total;
  }

 private:
  BatchGroup share(const BatchGroup& group, double parts) const {
    const double of_group = std::ceil(group.sequences / mapping_.data);
    if (group.new_tokens == 1 || of_group >= parts) {
      return {std::min(group.sequences, std::ceil(of_group / parts) * mapping_.data), group.new_tokens, group.context};
    }
    // Fewer prompts than parts: each is cut, and a part stands half of the others behind the prompt's start.
    const double cuts = std::min(group.new_tokens, std::ceil(parts / of_group));
    const double tokens = group.new_tokens / cuts;
    return {std::min(group.sequences, std::ceil(of_group * cuts / parts) * mapping_.data), tokens,
            group.context + tokens * (cuts - 1) / 2};
  }

  Mapping mapping_;
  StepPieces pieces_;
  PipelinedStep steps_;
  StepGraph graph_;
  StagePass pass_;
  StepTimes round_;
  Batch part_;
};

std::vector<ServingSystem::Window> windows_of(const Architecture& architecture) {
  std::vector<ServingSystem::Window> windows;
  const auto add = [&](std::int64_t tokens, bool repeats) {
    const auto same = [&](const ServingSystem::Window& each) {
      return each.tokens == static_cast<double>(tokens) && each.repeats == repeats;
    };
    if (tokens > 0 && std::none_of(windows.begin(), windows.end(), same)) {
      windows.push_back({static_cast<double>(tokens), repeats});
    }
  };
  for (const LayerKind& kind : architecture.kinds) {
    if (const auto* softmax = std::get_if<SoftmaxAttention>(&kind.attention)) {
      add(softmax->window, softmax->chunked);
    } else if (const auto* latent = std::get_if<LatentAttention>(&kind.attention)) {
      add(latent->indexer.top_k, false);
    }
  }
  return windows;
}

}  // namespace

ServingSystem serving_system(const Deployment& deployment, double prompt, double step_tokens) {
  const StepPlan& plan = deployment.plan;
  const MemoryLoad load{
      .prompt = prompt, .step_tokens = step_tokens, .reserve_fraction = deployment.cost->reserve_fraction()};
  return {.step = [clock = std::make_shared<ServingClock>(deployment)](const Batch& batch) { return (*clock)(batch); },
          .fits =
              [&plan, load](double requests, double context) {
                MemoryLoad tried = load;
                tried.sequences = requests;
                tried.context = context;
                return replica_memory(plan, tried).fits();
              },
          .groups = static_cast<double>(plan.mapping().data),
          .most_context = plan.architecture().max_context,
          .windows = windows_of(plan.architecture())};
}

std::int64_t most_requests(const ServingSystem& system, double context) {
  constexpr std::int64_t kMost = std::int64_t{1} << 40;
  std::int64_t low = 0, high = 1;
  while (high <= kMost && system.fits(static_cast<double>(high), context)) {
    low = high;
    high *= 2;
  }
  while (high - low > 1) {
    const std::int64_t middle = low + (high - low) / 2;
    (system.fits(static_cast<double>(middle), context) ? low : high) = middle;
  }
  return low;
}

}  // namespace moesaic
