#include "sim/pipeline_order.hpp"

#include <algorithm>

namespace moesaic {
namespace {

using Kind = PipelineOperation::Kind;

class Writer {
 public:
  Writer(const PipelineProblem& problem, std::size_t loops_per_stage)
      : stages_(static_cast<std::uint32_t>(problem.stages)), chunks_(static_cast<std::uint32_t>(problem.chunks)) {
    order_.loops_per_stage = loops_per_stage;
    order_.loops.reserve(loops_per_stage * stages_);
    order_.way = stages_ * chunks_;
    order_.stage.resize(order_.way);
    for (std::uint32_t run = 0; run < order_.way; ++run) {
      order_.stage[run] = run % stages_;
    }
  }

  /// Begins the next loop of the stage.
  void loop(std::int64_t repeats) {
    order_.loops.push_back({static_cast<std::uint32_t>(order_.operations.size()), 0, repeats});
  }
  void add(Kind kind, std::uint32_t forward, std::uint32_t backward) {
    order_.operations.push_back({kind, forward, backward});
    ++order_.loops.back().count;
  }
  void forward(std::uint32_t run) { add(Kind::forward, run, 0); }
  void backward(std::uint32_t run) { add(Kind::backward, 0, run); }

  std::uint32_t stages_, chunks_;
  PipelineOrder order_;
};

/// All forwards, then all backwards.
PipelineOrder gpipe(const PipelineProblem& problem) {
  Writer write(problem, 2);
  for (std::uint32_t stage = 0; stage < write.stages_; ++stage) {
    write.loop(problem.micro_batches);
    write.forward(stage);
    write.loop(problem.micro_batches);
    write.backward(stage);
  }
  return write.order_;
}

/// As many forwards as there are stages behind, then a forward and a backward in turn. With `split`, weight gradients
/// are put off.
PipelineOrder one_f_one_b(const PipelineProblem& problem, bool split) {
  Writer write(problem, 3);
  write.order_.fills_pauses = split;
  const Kind backward = split ? Kind::backward_input : Kind::backward;
  for (std::uint32_t stage = 0; stage < write.stages_; ++stage) {
    const std::int64_t ahead = std::min<std::int64_t>(problem.micro_batches, write.stages_ - 1 - stage);
    write.loop(ahead);
    write.forward(stage);
    write.loop(problem.micro_batches - ahead);
    write.forward(stage);
    write.add(backward, 0, stage);
    write.loop(ahead);
    write.add(backward, 0, stage);
  }
  return write.order_;
}

/// The same over runs of layers: a stage takes as many micro-batches as there are stages through its first run, then
/// through the next (2104.04473 section 2.2).
PipelineOrder interleaved(const PipelineProblem& problem) {
  Writer write(problem, 3);
  const std::int64_t stages = write.stages_;
  const std::int64_t round = stages * write.chunks_;
  const std::int64_t all = problem.micro_batches * write.chunks_;
  for (std::int64_t stage = 0; stage < stages; ++stage) {
    std::vector<std::uint32_t> forwards(static_cast<std::size_t>(round));
    std::vector<std::uint32_t> backwards(forwards.size());
    for (std::int64_t i = 0; i < round; ++i) {
      const auto place = static_cast<std::size_t>(i);
      forwards[place] = static_cast<std::uint32_t>(i / stages * stages + stage);
      backwards[place] = static_cast<std::uint32_t>((write.chunks_ - 1 - i / stages) * stages + stage);
    }
    const auto forward = [&](std::int64_t i) { write.forward(forwards[static_cast<std::size_t>(i % round)]); };
    const auto backward = [&](std::int64_t i) { write.backward(backwards[static_cast<std::size_t>(i % round)]); };
    const std::int64_t ahead = std::min(all, 2 * (stages - 1 - stage) + (write.chunks_ - 1) * stages);
    const std::int64_t pairs = all - ahead;
    // A last stage must be further than the first one when a round begins, or the first would wait for the next round.
    const std::int64_t lead = std::min(pairs, stage);
    const std::int64_t rounds = (pairs - lead) / round;
    write.loop(1);
    for (std::int64_t i = 0; i < ahead; ++i) {
      forward(i);
    }
    for (std::int64_t i = 0; i < lead; ++i) {
      forward(ahead + i);
      backward(i);
    }
    write.loop(rounds);
    for (std::int64_t i = lead; i < lead + (rounds > 0 ? round : 0); ++i) {
      forward(ahead + i);
      backward(i);
    }
    write.loop(1);
    for (std::int64_t i = lead + rounds * round; i < all; ++i) {
      if (i < pairs) {
        forward(ahead + i);
      }
      backward(i);
    }
  }
  return write.order_;
}

/// Micro-batches enter at both ends; stage s holds the runs s and stages - 1 - s (the published schedule's eight parts,
/// 2412.19437 figure 5: forwards of the near end, of both, backwards with forwards of the far end, both at once, ...).
PipelineOrder dual_pipe(const PipelineProblem& problem) {
  Writer write(problem, 3);
  const std::uint32_t stages = write.stages_;
  for (std::uint32_t run = 0; run < stages; ++run) {
    write.order_.stage.push_back(stages - 1 - run);
  }
  for (std::uint32_t stage = 0; stage < stages; ++stage) {
    const std::uint32_t from_end = std::min(stage, stages - 1 - stage);
    const std::uint32_t to_middle = stages / 2 - 1 - from_end;
    const bool second = stage >= stages / 2;
    const std::uint32_t down = stage;
    const std::uint32_t up = stages + (stages - 1 - stage);
    const std::uint32_t near = second ? up : down;
    const std::uint32_t far = second ? down : up;
    write.loop(1);
    for (std::uint32_t i = 0; i < 2 * to_middle; ++i) {
      write.forward(near);
    }
    for (std::uint32_t i = 0; i <= from_end; ++i) {
      write.forward(near);
      write.forward(far);
    }
    for (std::uint32_t i = 0; i < to_middle; ++i) {
      write.add(Kind::backward_input, 0, far);
      write.add(Kind::backward_weights, 0, 0);
      write.forward(far);
    }
    std::int64_t main = problem.micro_batches / 2 - stages + from_end + 1;
    if (to_middle == 0) {  // one after the other there, which shortens the first wait
      write.forward(near);
      write.backward(far);
      write.add(Kind::both_ways, far, near);
      --main;
    }
    write.loop(main);
    write.add(Kind::both_ways, near, far);
    write.add(Kind::both_ways, far, near);
    write.loop(1);
    for (std::uint32_t i = 0; i < to_middle; ++i) {
      write.backward(far);
      write.add(Kind::both_ways, far, near);
    }
    bool split = false;
    for (std::uint32_t i = 0; i <= from_end; ++i) {
      const bool turn = i == (from_end + 1) / 2;
      split = split || (turn && from_end % 2 == 1);
      write.add(split ? Kind::backward_input : Kind::backward, 0, far);
      split = split || turn;
      write.add(split ? Kind::backward_input : Kind::backward, 0, near);
    }
    for (std::uint32_t i = 0; i < to_middle; ++i) {
      write.add(Kind::backward_weights, 0, 0);
      write.add(Kind::backward_input, 0, near);
    }
    for (std::uint32_t i = 0; i <= from_end; ++i) {
      write.add(Kind::backward_weights, 0, 0);
    }
  }
  return write.order_;
}

}  // namespace

PipelineOrder pipeline_order(const PipelineProblem& problem) {
  switch (problem.schedule) {
    case PipelineSchedule::gpipe:
      return gpipe(problem);
    case PipelineSchedule::one_f_one_b:
      return one_f_one_b(problem, false);
    case PipelineSchedule::interleaved:
      return problem.chunks == 1 ? one_f_one_b(problem, false) : interleaved(problem);
    case PipelineSchedule::zero_bubble:
      return one_f_one_b(problem, true);
    case PipelineSchedule::dual_pipe:
      return dual_pipe(problem);
  }
  return {};
}

}  // namespace moesaic
